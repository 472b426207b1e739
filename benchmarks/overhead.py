"""What fedlens costs besides training: how soon it starts, and each cell of a sweep: ``python benchmarks/overhead.py``.

In seconds of processor time, user and system, of all processes together, so that what else the machine does matters
little. A start is over where the first round begins. The cells of each grid are run by one sweep, and some of them by a
`fedlens run` each; from both, the time of their rounds alone is taken off, and the rest divided by the cells. No benign
twins are made, since both ways share them. Prepared data, and the files in memory, are warm.
"""

import argparse
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from output import describe_machine, in_words, new_console, write_json
from rich.table import Table

CLI = "from fedlens.cli import main; main()"
BEGUN = f"""
import os, signal
from fedlens.report.terminal.progress import Terminal
Terminal.begin = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
{CLI}"""
STARTS: Mapping[str, Sequence[str]] = {
    "import fedlens": ["import fedlens"],
    "fedlens --help": [CLI, "--help"],
    "import torch": ["import torch"],
    "fedlens run quickstart": [BEGUN, "run", "quickstart"],
}
"""Code, and its arguments."""

ROUNDS_ALONE = """
import sys, time
from collections import deque
from fedlens.experiment.setting import prepare
from fedlens.simulation.engines import choose_engine
from fedlens.simulation.rounds import federate
from fedlens.sweeps.grid import load_grid
alone = 0
for cell in load_grid(sys.argv[1]).cells():
    setting = prepare(cell.experiment).with_target(None)
    with choose_engine("auto", 1, setting).make() as engine:
        began = time.process_time()
        deque(federate(setting, engine), maxlen=0)
        alone += time.process_time() - began
print(alone)"""

GRIDS: Mapping[str, Mapping[str, Any]] = {
    "digits, 2 rounds of 1 epoch": {
        "experiment": {"name": "tiny", "data": "digits", "rounds": 2, "local": {"epochs": 1}, "control": False},
        "product": {"seed": list(range(20)), "aggregation": ["mean", "median"]},
    },
    "census, 3 rounds of 1 epoch, attacked": {
        "experiment": {
            "name": "census",
            "rounds": 3,
            "local": {"epochs": 1},
            "attack": "explicit-boosting",
            "control": False,
        },
        "product": {"seed": [0, 1], "aggregation": ["mean", "median"], "attack.boost": [1, 2, 4, 8, 16]},
    },
}
LOOPED = 4
"""How many cells are also run by a `fedlens run` each, spread over the grid."""


def main() -> int:
    """Measure, print the tables, and write them as JSON where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3, help="how often everything is done (default: 3)")
    parser.add_argument("--quick", action="store_true", help="once, and two cells, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables here, too")
    options = parser.parse_args()
    repeats, most = (1, 2) if options.quick else (options.repeats, None)
    with TemporaryDirectory() as name:
        folder = Path(name)
        starts = {what: [cpu(code, folder) for _ in range(repeats + 1)][1:] for what, code in STARTS.items()}
        cells = {what: cost_of_cells(shortened(grid, most), folder, repeats) for what, grid in GRIDS.items()}
    console, machine = new_console(), describe_machine()
    console.print(in_words(machine), soft_wrap=True)
    table = Table("start", "CPU s", "min–max")
    for what, times in starts.items():
        table.add_row(what, f"{median(times):.2f}", f"{min(times):.2f}–{max(times):.2f}")
    console.print(table)
    table = Table("cells", "", "rounds alone, CPU s a cell", "beyond, in a sweep", "beyond, a run each")
    for what, costs in cells.items():
        table.add_row(what, *(f"{costs[name]:.2f}" if name != "cells" else f"{costs[name]:.0f}" for name in costs))
    console.print(table)
    if options.json is not None:
        write_json(options.json, {"machine": machine, "quick": options.quick, "starts": starts, "cells": cells})
    return 0


def shortened(grid: Mapping[str, Any], most: int | None) -> dict[str, Any]:
    """The grid with at most so many values of its first option, and one of each other; all of them for ``None``."""
    if most is None:
        return dict(grid)
    values = {option: each[: most if index == 0 else 1] for index, (option, each) in enumerate(grid["product"].items())}
    return {**grid, "product": values}


def cost_of_cells(grid: Mapping[str, Any], folder: Path, repeats: int) -> dict[str, float]:
    """Medians, by cell: processor seconds of the rounds alone, beyond them in a sweep, and beyond them by runs."""
    file = folder / "grid.yaml"
    file.write_text(yaml.safe_dump(dict(grid)), encoding="utf-8")
    every = combinations(grid["product"])
    some = every[:: max(1, len(every) // LOOPED)][:LOOPED]
    begin = folder / "experiment.yaml"
    begin.write_text(yaml.safe_dump(grid["experiment"]), encoding="utf-8")
    costs: dict[str, list[float]] = {"rounds": [], "sweep": [], "runs": []}
    for turn in range(repeats):
        alone = float(subprocess.run(command([ROUNDS_ALONE, str(file)]), stdout=-1, check=True, text=True).stdout)
        costs["rounds"].append(alone / len(every))
        sweep = cpu([CLI, "sweep", str(file), "--out", str(folder / f"{grid['experiment']['name']}-{turn}")], folder)
        costs["sweep"].append((sweep - alone) / len(every))
        runs = [cpu([CLI, "run", str(begin), *options], folder) for options in some]
        costs["runs"].append(sum(runs) / len(some) - alone / len(every))
    return {"cells": len(every), **{name: median(values) for name, values in costs.items()}}


def combinations(product: Mapping[str, Sequence[object]]) -> list[list[str]]:
    """The options of each cell, as `fedlens run` takes them."""
    cells: list[list[str]] = [[]]
    for option, values in product.items():
        cells = [[*cell, "-o", f"{option}={value}"] for cell in cells for value in values]
    return cells


def command(code: Sequence[str]) -> list[str]:
    """The command line of Python code with its arguments."""
    return [sys.executable, "-c", *code]


def cpu(code: Sequence[str], folder: Path) -> float:
    """Run Python code in a folder; return the processor seconds of it and all that it started."""
    before = getrusage(RUSAGE_CHILDREN)
    done = subprocess.run(command(code), cwd=folder, capture_output=True, check=False)
    if done.returncode not in {0, -signal.SIGKILL}:  # by which a run ends that has begun
        sys.exit(done.stderr.decode())
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
