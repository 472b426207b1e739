"""Addresses without what is secret in them: passwords and tokens must reach no file, no page and no log."""

import re

_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<user>\S*@)?(?P<rest>[^?#\s]*)(?P<query>[?#]\S*)?", re.IGNORECASE
)
_USER = re.compile(r"(?<![^\s'\"(,;=])[^\s'\"(,;=@:/]+:[^\s@/]+@")
"""User and password of an address without a scheme, as in ``me:word@host:6379``."""


def redacted(text: str) -> str:
    """Return the text with ``***`` in place of user, password, query and fragment of each address in it."""
    return _USER.sub("***@", _ADDRESS.sub(_without, text))


def _without(match: re.Match[str]) -> str:
    user = "***@" if match["user"] else ""
    query = f"{match['query'][0]}***" if match["query"] else ""
    return f"{match['scheme']}{user}{match['rest']}{query}"
