"""Prints how much memory all rules take beyond the updates, as a share of the updates: to be run by itself."""

import resource
from pathlib import Path

import psutil
import torch

from fedlens.core.layout import Layout, Slice
from fedlens.core.random import Address
from fedlens.core.registry import BUILT_IN, build
from fedlens.defences.rule import Received, Rule

CLIENTS, WEIGHTS, BIASES = 100, 300_000, 1_000
OPTIONS = {
    "krum": {"f": 2, "include_biases": False},
    "krum-authors": {"f": 2},
    "multi-krum": {"f": 2},
    "trimmed-mean": {"f": 2},
    "bulyan": {"f": 2},
    "norm-clipping": {"max_norm": 1, "noise": 1},
}


def main() -> None:
    torch.set_num_threads(1)
    size = WEIGHTS + BIASES
    weight = Slice("weight", "", "weight", 0, WEIGHTS, (WEIGHTS,))
    bias = Slice("bias", "", "bias", WEIGHTS, size, (BIASES,))
    alpha = torch.full((CLIENTS,), 1 / CLIENTS, dtype=torch.float64)
    updates = torch.randn(CLIENTS, size, generator=torch.Generator().manual_seed(0))
    updates[1] = updates[0]
    updates[2] = 1e20
    received = Received(updates, alpha, Layout((weight, bias)), Address.root(0))
    rules = [build("aggregation", {"name": name} | OPTIONS.get(name, {}), Rule) for name in BUILT_IN["aggregation"]]
    before = psutil.Process().memory_info().rss
    for rule in rules:
        assert isinstance(rule, Rule)
        rule.aggregate(received)
    print((peak() - before) / updates.nbytes)


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux, getrusage begins with what the parent had
        return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
