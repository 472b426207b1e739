"""What the bits of a result depend on beside the experiment."""

import platform

from fedlens.core.installed import version
from fedlens.core.lazy import torch

BITS = 1
"""Counts the changes of what runs compute: raise it with any change of bits, so that no cached twin outlives it.

`tests/test_pinned.py` fails where that is due.
"""


def numerics(arithmetic: str) -> dict[str, str]:
    """Return what bits depend on besides the experiment: runs that agree in these are expected to agree in every bit.

    Args:
        arithmetic: how clients are computed.
    """
    return {
        "arithmetic": arithmetic,
        "fedlens": version("fedlens"),
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "cpu": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
    }
