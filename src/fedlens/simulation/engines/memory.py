"""How a worker's process treats memory that it has freed."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h


def keep_memory() -> None:
    """Let the C library keep freed memory for the next allocation, where it is glibc.

    By default glibc hands large blocks back to the system, and every batch's activations are then paid for by page
    faults again: a convolutional network evaluates in 1.5 times the time. It changes no result.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
