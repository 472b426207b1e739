"""Attacks against servers, as tables in colour: what ``docs/zoo/grid.yaml`` led to.

``python tools/docs_grid.py sweeps/zoo-grid`` runs that sweep, and keeps its numbers in ``docs/zoo/grid.json``. With one
core it takes half an hour.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from docs_markdown import table

import fedlens
from fedlens.analysis import estimate

DOCS = Path(__file__).parents[1] / "docs"
FILE = Path("zoo") / "grid.json"
"""Below the documentation's folder."""

Cell = Mapping[str, Any]


def grid(docs: Path) -> Iterator[str]:
    """Yield the section with the tables."""
    cells = json.loads((docs / FILE).read_text("utf-8"))
    damage, backdoor = ([cell for cell in cells if (cell["asr"] is None) == plain] for plain in (True, False))
    seeds = len({cell["seed"] for cell in cells})
    yield "## A grid of attacks and defences"
    yield ""
    yield (
        f"Digits, 10 clients, of which two attack, as rules are told (`f: 2`), 6 rounds, {seeds} seeds: "
        "[`docs/zoo/grid.yaml`](grid.yaml). The test set has 360 samples. Numbers are percentages: medians over seeds "
        "with their 95 % interval. The more an attack achieves, the redder."
    )
    yield ""
    yield "**Damage**: test accuracy lost to the benign twin, in points; without attack, the twin's accuracy."
    yield ""
    yield from _table(damage, "twin", lambda cell: cell["twin"] - cell["accuracy"], 0.5)
    yield ""
    yield (
        "**Backdoor**: attack success rate; without attack, the twin's, on the same inputs. None of these attacks "
        f"costs more than {_percent(max(_lost(backdoor)))} of accuracy in the median."
    )
    yield ""
    yield from _table(backdoor, "asr_twin", lambda cell: cell["asr"], 1)


def _table(cells: Sequence[Cell], twin: str, number: Any, full: float) -> Iterator[str]:
    attacks, defences = (list(dict.fromkeys(cell[key] for cell in cells)) for key in ("attack", "defence"))
    rows = []
    for defence in defences:
        row = [cell for cell in cells if cell["defence"] == defence]
        of = [[cell for cell in row if cell["attack"] == attack] for attack in attacks]
        without = _percent(median(cell[twin] for cell in of[0]))
        rows.append([f"`{defence}`", without, *(_words(some, number, full) for some in of)])
    yield from table(("defence", "without attack", *(f"`{attack}`" for attack in attacks)), rows)


def _words(cells: Sequence[Cell], number: Any, full: float) -> str:
    """Return a cell's numbers, in a colour that is as strong as the median is of `full`."""
    found = estimate([number(cell) for cell in cells], [cell["seed"] for cell in cells])
    low, high = found.range if found.low is None or found.high is None else (found.low, found.high)
    heat = min(max(found.value / full, 0), 1)
    words = f"{100 * found.value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
    return f'<span class="heat" style="--heat: {heat:.2f}">{words}</span>'


def _lost(cells: Sequence[Cell]) -> Iterator[float]:
    for pair in dict.fromkeys((cell["attack"], cell["defence"]) for cell in cells):
        yield median(cell["twin"] - cell["accuracy"] for cell in cells if (cell["attack"], cell["defence"]) == pair)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def cells_of(out: Path) -> Iterator[dict[str, Any]]:
    """Run the sweep, or what is missing of it, and yield the numbers of each cell, in the grid's order."""
    for cell, run in fedlens.sweep(DOCS / FILE.with_suffix(".yaml"), out, jobs=1).look()[0]:
        last = run.rounds.iloc[-1]
        backdoor = "asr" in last.index
        yield {
            "attack": _name(cell.values["attack"]),
            "defence": _name(cell.values["aggregation"]),
            "seed": cell.values["seed"],
            "accuracy": round(float(last["accuracy"]), 6),
            "twin": round(float(last["control_accuracy"]), 6),
            "asr": round(float(last["asr"]), 6) if backdoor else None,
            "asr_twin": round(float(last["asr_twin"]), 6) if backdoor else None,
        }


def _name(component: Any) -> str:
    if isinstance(component, Sequence) and not isinstance(component, str):
        return ", ".join(map(_name, component))
    return str(component["name"] if isinstance(component, Mapping) else component)


if __name__ == "__main__":
    lines = ",\n".join(json.dumps(cell) for cell in cells_of(Path(sys.argv[1])))
    (DOCS / FILE).write_text(f"[\n{lines}\n]\n", "utf-8")
