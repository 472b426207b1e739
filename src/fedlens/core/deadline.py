"""A limit on how long custom code may take: what would never end fails instead, and says who it was."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from fedlens.core.errors import ClientError, ConfigError

AGAIN = 1.0
"""Seconds after which code that has caught the alarm, or was busy outside of Python, hears it again."""


class Late(BaseException):
    """Raised in the middle of what takes too long; custom code that catches every `Exception` does not catch it."""


@contextmanager
def within(seconds: float | None, what: str) -> Iterator[None]:
    """Let the block take so long and no longer.

    It is stopped where Python next runs a line of it, so a single call into a library is waited for. Limits may lie
    within each other, and within other users of the process's timer.

    Args:
        seconds: how long; ``None`` for as long as it takes.
        what: what to call it in the error's message.

    Raises:
        ClientError: it took longer.
    """
    if seconds is None:
        yield
        return

    def late(_: int, __: FrameType | None) -> None:
        raise Late

    before, began = signal.signal(signal.SIGALRM, late), time.monotonic()
    remaining, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    except Late:
        raise ClientError(f"{what} took longer than {seconds:g} s, which is all that --client-timeout gives") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if remaining:
            signal.setitimer(signal.ITIMER_REAL, max(remaining - (time.monotonic() - began), 1e-3), interval)


def checked_timeout(seconds: float | None) -> float | None:
    """Return the limit if it can be enforced here.

    Raises:
        ConfigError: it is not.
    """
    if seconds is None:
        return None
    if not 0 < seconds < 1e8:
        raise ConfigError(f"--client-timeout {seconds:g}: must be a positive number of seconds")
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        raise ConfigError("--client-timeout works in the main thread of a process on Linux or macOS only; leave it out")
    return seconds
