"""How many cores there are, and how many threads compute."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from fedlens.core.lazy import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, so that every sum is formed in the same order wherever it is formed."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
