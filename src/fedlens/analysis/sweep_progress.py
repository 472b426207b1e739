"""How far a sweep has come that cannot be compared yet."""

from math import prod
from pathlib import Path
from shlex import join
from typing import Any

from fedlens.core.errors import FedlensError
from fedlens.core.parsing import read_yaml
from fedlens.core.regular import regular

GRID = "sweep.yaml"
UNFINISHED_AUDIT = "this audit has not reached its end; repeat the command that began it, and it goes on"


def progress_words(path: Path) -> str:
    """Say how far it is: ``4 of 5 cells are done; if the sweep is not running any more, repeat: fedlens sweep ...``."""
    done = len(list(path.glob("cells/*/summary.json")))
    total = _combinations(path / GRID)
    of = f" of {total}" if total else ""
    repeat = join(["fedlens", "sweep", str(path / GRID), "--out", str(path)])
    cells = "cell is" if (done, total) == (1, "") else "cells are"
    return f"{done}{of} {cells} done; if the sweep is not running any more, repeat: {repeat}"


def _combinations(grid: Path) -> str:
    """Say how many cells the grid has; options that do not apply everywhere make them fewer."""
    try:
        values = read_yaml(regular(grid))
    except (OSError, FedlensError):
        return ""
    if not isinstance(values, dict) or not isinstance(product := values.get("product") or {}, dict):
        return ""
    zipped: list[Any] = [
        next(iter(group.values()), []) for group in values.get("zipped") or [] if isinstance(group, dict)
    ]
    total = prod(map(_length, [*product.values(), *zipped]))
    nested = any(name.partition(".")[0] in {*product} - {name} for name in product)
    return f"at most {total}" if nested or values.get("exclude") else str(total)


def _length(values: Any) -> int:
    return len(values) if isinstance(values, list) else 1
