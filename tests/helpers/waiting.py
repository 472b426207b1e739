"""How long a test waits for what has to come."""

import time
from collections.abc import Callable

PATIENCE = 600.0
"""Seconds: enough for a machine at many times its load, as it only keeps a test from hanging."""


def eventually(condition: Callable[[], object], pause: float = 0.01) -> bool:
    """Wait until it holds; whether it does."""
    until = time.monotonic() + PATIENCE
    while not (held := condition()) and time.monotonic() < until:
        time.sleep(pause)
    return bool(held)
