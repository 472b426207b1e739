"""Addresses without what is secret in them: passwords and tokens must reach no file, no page and no log."""

import re

_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<user>\S*@)?(?P<rest>[^?#\s]*)(?P<query>[?#]\S*)?", re.IGNORECASE
)
_USER = re.compile(r"(?<![^\s'\"(,;=])[^\s'\"(,;=@:/]+:[^\s@/]+@")
"""User and password of an address without a scheme, as in ``me:word@host:6379``."""


def redacted(text: str) -> str:
    """The text with ``***`` in place of user, password, query and fragment of each address in it."""
    return _USER.sub("***@", _ADDRESS.sub(_without, text))


def _without(found: re.Match[str]) -> str:
    user = "***@" if found["user"] else ""
    query = f"{found['query'][0]}***" if found["query"] else ""
    return f"{found['scheme']}{user}{found['rest']}{query}"
