"""A few attacks against a few rules, as a table: what ``docs/zoo/grid.yaml`` led to.

``python tools/docs_grid.py sweeps/zoo-grid`` runs that sweep, some minutes, and keeps its numbers in
``docs/zoo/grid.json``.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docs_markdown import table

import fedlens

DOCS = Path(__file__).parents[1] / "docs"
FILE = Path("zoo") / "grid.json"
"""Below the documentation's folder."""


def grid(docs: Path) -> Iterator[str]:
    """Yield the section with the table."""
    cells = json.loads((docs / FILE).read_text("utf-8"))
    attacks, defences = (list(dict.fromkeys(cell[key] for cell in cells)) for key in ("attack", "defence"))
    found = {(cell["attack"], cell["defence"]): _words(cell) for cell in cells}
    yield "## A small grid"
    yield ""
    yield (
        "Digits, 10 clients, of which two attack, as Krum is told (`f: 2`), 6 rounds, **one seed**: "
        "[`docs/zoo/grid.yaml`](grid.yaml). Accuracy after the last round, its benign twin's in brackets; for a "
        "backdoor also the attack success rate, likewise. The test set has 360 samples, so that a point is less than "
        "four of them; with one seed no interval is given, and small differences say nothing."
    )
    yield ""
    rows = ([f"`{defence}`", *(found[attack, defence] for attack in attacks)] for defence in defences)
    yield from table(("defence", *(f"`{attack}`" for attack in attacks)), rows)


def _words(cell: Mapping[str, Any]) -> str:
    words = f"{_percent(cell['accuracy'])} ({_percent(cell['twin'])})"
    if cell["asr"] is not None:
        words += f"; ASR {_percent(cell['asr'])} ({_percent(cell['asr_twin'])})"
    return words


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
            "accuracy": float(last["accuracy"]),
            "twin": float(last["control_accuracy"]),
            "asr": float(last["asr"]) if backdoor else None,
            "asr_twin": float(last["asr_twin"]) if backdoor else None,
        }


def _name(component: Any) -> str:
    return str(component["name"] if isinstance(component, Mapping) else component)


if __name__ == "__main__":
    (DOCS / FILE).write_text(json.dumps(list(cells_of(Path(sys.argv[1]))), indent=1) + "\n", "utf-8")
