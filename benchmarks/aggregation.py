"""Seconds that aggregation rules take: ``python benchmarks/aggregation.py``.

Everything runs in the same minutes on one thread, once in each turn, in an order that is reversed every time, after one
turn that warms up. Two yardsticks are plain PyTorch: ``torch.median`` (which gives the lower of the middle two, and no
shares), and the Gram matrix of the updates, centred block by block. ByzFL's aggregators take part where they are
installed.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from statistics import median
from types import ModuleType

import torch
from elsewhere import byzfl_aggregators
from rich.console import Console
from rich.table import Table
from torch import Tensor
from turns import in_turns, ratio

from fedlens.aggregation.bulyan import Bulyan
from fedlens.aggregation.clipping import NormClipping
from fedlens.aggregation.coordinate import Median, TrimmedMean
from fedlens.aggregation.geometric import GeometricMedian
from fedlens.aggregation.krum import Krum, KrumAuthors, MultiKrum
from fedlens.aggregation.mean import Mean
from fedlens.aggregation.rule import Received, Rule
from fedlens.pairwise import BLOCK_ENTRIES
from fedlens.random import Address
from fedlens.vector import Layout, Slice

TORCH_MEDIAN, GRAM = "torch.median(dim=0)", "Gram matrix, centred blocks"
RULES: Mapping[str, type[Rule]] = {"krum": Krum, "krum-authors": KrumAuthors, "multi-krum": MultiKrum, "bulyan": Bulyan}
QUANTILE_LIMIT = 16_000_000
AGAINST = {"median": TORCH_MEDIAN, "ByzFL Median": TORCH_MEDIAN} | dict.fromkeys((*RULES, "ByzFL Krum"), GRAM)


def main() -> int:
    """Measure and print."""
    options = parse()
    torch.set_num_threads(1)
    updates = torch.randn(options.rows, options.columns, generator=torch.Generator().manual_seed(0)) + 0.5
    contenders = ours(updates, options.f) | yardsticks(updates)
    if not options.without_byzfl and find_spec("byzfl") is not None:
        contenders |= byzfl(byzfl_aggregators(), updates, options.f)
    seconds = in_turns(contenders, options.turns, partial(print, file=sys.stderr, flush=True))
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    console.print(f"{options.rows} × {options.columns:,} float32, f = {options.f}, torch {torch.__version__}, 1 thread")
    console.print(as_table(seconds))
    return 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100, help="number of updates (default: 100)")
    parser.add_argument("--columns", type=int, default=1_000_000, help="entries of an update (default: 1,000,000)")
    parser.add_argument("--turns", type=int, default=3, help="how often everything is timed (default: 3)")
    parser.add_argument("-f", type=int, default=1, help="number of Byzantine clients that rules are told of")
    parser.add_argument("--without-byzfl", action="store_true", help="leave ByzFL out, which is slow")
    return parser.parse_args()


def ours(updates: Tensor, f: int) -> dict[str, Callable[[], object]]:
    """Every rule of fedlens, with shares."""
    count, size = updates.shape
    weights = size - size // 1000
    layout = Layout(
        (
            Slice("weight", "", "weight", 0, weights, (weights,)),
            Slice("bias", "", "bias", weights, size, (size - weights,)),
        )
    )
    alpha = torch.full((count,), 1 / count, dtype=torch.float64)
    received = Received(updates, alpha, layout, Address.root(0))
    rules: dict[str, Rule] = {
        "mean": Mean(),
        "median": Median(),
        "trimmed-mean": TrimmedMean(f=f),
        "geometric-median": GeometricMedian(),
        "norm-clipping": NormClipping(max_norm=1),
    }
    rules |= {name: rule.model_validate({"f": f}) for name, rule in RULES.items()}
    return {name: partial(rule.aggregate, received) for name, rule in rules.items() if rule.minimum <= count}


def yardsticks(updates: Tensor) -> dict[str, Callable[[], object]]:
    """What one would write by hand."""
    return {TORCH_MEDIAN: lambda: torch.median(updates, dim=0), GRAM: lambda: gram(updates)}


def gram(updates: Tensor) -> Tensor:
    """The Gram matrix of the updates, each block of columns less its mean row, added up in float64."""
    total = torch.zeros(len(updates), len(updates), dtype=torch.float64)
    columns = max(BLOCK_ENTRIES // len(updates), 1)
    for start in range(0, updates.shape[1], columns):
        block = updates[:, start : start + columns]
        block = block - block.mean(dim=0)
        total += block @ block.T
    return total


def byzfl(theirs: ModuleType, updates: Tensor, f: int) -> dict[str, Callable[[], object]]:
    """ByzFL's counterparts, on the same tensor; its median takes no more than ``torch.quantile`` does."""
    rules = {
        "ByzFL Median": theirs.Median(),
        "ByzFL TrMean": theirs.TrMean(f=f),
        "ByzFL GeometricMedian": theirs.GeometricMedian(),
        "ByzFL Krum": theirs.Krum(f=f),
        "ByzFL MultiKrum": theirs.MultiKrum(f=f),
    }
    if updates.numel() > QUANTILE_LIMIT:
        del rules["ByzFL Median"]
    return {name: partial(rule, updates) for name, rule in rules.items()}


def as_table(seconds: Mapping[str, list[float]]) -> Table:
    """Medians, ranges, and the median of each turn's ratio to the yardstick where there is one."""
    table = Table(caption="ratio: median over turns of the time divided by the yardstick's", caption_justify="left")
    table.add_column("rule")
    for heading in ("seconds", "min–max", "ratio"):
        table.add_column(heading, justify="right")
    table.add_column("yardstick")
    for name, times in seconds.items():
        yardstick = AGAINST.get(name)
        table.add_row(
            name,
            f"{median(times):.3f}",
            f"{min(times):.3f}–{max(times):.3f}",
            f"{ratio(times, seconds[yardstick]):.2f}" if yardstick else "",
            yardstick or "",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
