"""The memory that a call takes."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def extra_megabytes(call: Callable[[], T], apart: Callable[[T], int] = lambda _: 0) -> float | None:
    """The most memory that a call takes beyond what was there before, its result included; known on Linux alone.

    Bytes of the result that `apart` tells do not count.
    """
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():
        return None
    ctypes.CDLL(None).malloc_trim(0)  # what the calls before have given back would not count as taken again
    reset.write_text("5")
    before = int(status.read_text().partition("VmRSS:")[2].split()[0])
    result = call()
    most = int(status.read_text().partition("VmHWM:")[2].split()[0])
    return ((most - before) * 1024 - apart(result)) / 1e6
