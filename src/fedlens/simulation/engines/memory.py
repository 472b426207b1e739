"""Memory management of worker processes."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h


def keep_memory() -> None:
    """Make glibc, if it is the C library, reuse freed memory.

    By default glibc hands large blocks back to the system, and every batch's activations then cost page faults
    again: a convolutional network evaluates in 1.5 times the time. It changes no result.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
