"""What a user is told of data that were read, but not just as they stand."""

import logging
from functools import cache

_log = logging.getLogger("fedlens")


@cache
def remark(text: str) -> None:
    """Tell the user, once."""
    _log.warning(text)
