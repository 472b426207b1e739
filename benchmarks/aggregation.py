"""Seconds and memory that rules and other stages of the chain take: ``python benchmarks/aggregation.py``.

Everything runs in the same minutes on one thread, once in each turn, in an order that is reversed every time, after one
turn that warms up. Three yardsticks are plain PyTorch: ``torch.median`` (which gives the lower of the middle two, and
no shares), the Gram matrix of the updates, centred block by block, and their product U Uᵀ as one writes it. ByzFL's
aggregators take part where they are installed and can; its median can at 10 × 1,500,000, say. ``--only`` takes
some of ours; ``--quick`` runs tiny sizes once, to see that it all still works.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from aggregation_report import GRAM, PRODUCT, RATIO, TORCH_MEDIAN, as_table, as_values
from defences import every_defence
from elsewhere import byzfl_aggregators
from memory_of import extra_megabytes
from output import describe_machine, in_words, new_console, write_json
from torch import Tensor
from turns import in_turns

from fedlens.kernels.pairwise import BLOCK_ENTRIES

SIZES = ((10, 3_382_346), (100, 1_000_000), (100, 3_382_346))
TINY = ((10, 2000), (20, 1000))
TURNS = 3
LIMITS = {
    "ByzFL Median": (16_000_000, "torch.quantile takes no more than 16 million entries"),
    "ByzFL TrMean": (250_000_000, "sorts for half a minute or more a call"),
}


def main() -> int:
    """Measure, print the tables, and write them as JSON where that is asked for."""
    options = parse()
    torch.set_num_threads(1)
    machine = describe_machine()
    console = new_console()
    console.print(in_words(machine), soft_wrap=True)
    if options.quick:
        console.print("quick: tiny sizes, one turn; the times mean nothing")
    theirs = None if options.without_byzfl or find_spec("byzfl") is None else byzfl_aggregators()
    results = []
    for rows, columns in sizes(options):
        result = measure(rows, columns, theirs, options)
        console.print(as_table(result))
        results.append(result)
    if options.json is not None:
        values = {"machine": machine, "threads": 1, "ratio": RATIO, "quick": options.quick, "sizes": results}
        write_json(options.json, values)
    return 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, help="only this number of updates (default: three sizes, or else 100)")
    parser.add_argument("--columns", type=int, help="only this number of entries (default: three sizes, or 1,000,000)")
    parser.add_argument("--turns", type=int, help=f"how often everything is timed (default: {TURNS})")
    parser.add_argument("-f", type=int, default=1, help="number of Byzantine clients that rules are told of")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this defence; may be repeated")
    parser.add_argument("--without-byzfl", action="store_true", help="leave ByzFL out, which is slow")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one turn, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables here, too")
    return parser.parse_args()


def sizes(options: argparse.Namespace) -> tuple[tuple[int, int], ...]:
    """The sizes that are asked for."""
    if options.rows is not None or options.columns is not None:
        return ((options.rows or 100, options.columns or 1_000_000),)
    return TINY if options.quick else SIZES


def measure(rows: int, columns: int, theirs: ModuleType | None, options: argparse.Namespace) -> dict[str, Any]:
    """A size's times and memory; `theirs` is ByzFL's module."""

    def tell(what: str) -> None:
        print(f"{rows} × {columns:,}: {what}", file=sys.stderr, flush=True)

    drawn = torch.randn(rows, columns, generator=torch.Generator().manual_seed(0)).add_(0.5)
    updates = drawn.clone()

    def restore() -> None:
        updates.copy_(drawn)  # stages write into rows of their own

    mine, left_out = every_defence(updates, options.f, options.only)
    extra: dict[str, float | None] = {}
    for name, round_ in mine.items():
        restore()
        extra[name] = extra_megabytes(round_, round_.new_bytes)
        tell(f"measured the memory of {name}")
    contenders: dict[str, Callable[[], object]] = {**mine, **yardsticks(updates)}
    if theirs is not None:
        left_out |= {name: why for name, (most, why) in LIMITS.items() if updates.numel() > most}
        rules = byzfl(theirs, updates, options.f)
        contenders |= {name: rule for name, rule in rules.items() if name not in left_out}
    seconds = in_turns(contenders, options.turns or (1 if options.quick else TURNS), tell, before=lambda _: restore())
    return {
        "rows": rows,
        "columns": columns,
        "f": options.f,
        "rules": {name: as_values(name, seconds, extra.get(name)) for name in seconds},
        "left_out": left_out,
    }


def yardsticks(updates: Tensor) -> dict[str, Callable[[], object]]:
    """What one would write by hand."""
    return {
        TORCH_MEDIAN: lambda: torch.median(updates, dim=0),
        GRAM: lambda: gram(updates),
        PRODUCT: lambda: updates @ updates.T,
    }


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
    """ByzFL's counterparts, on the same tensor."""
    rules = {
        "ByzFL Median": theirs.Median(),
        "ByzFL TrMean": theirs.TrMean(f=f),
        "ByzFL GeometricMedian": theirs.GeometricMedian(),
        "ByzFL Krum": theirs.Krum(f=f),
        "ByzFL MultiKrum": theirs.MultiKrum(f=f),
    }
    return {name: partial(rule, updates) for name, rule in rules.items()}


if __name__ == "__main__":
    sys.exit(main())
