"""What the zoo's pages show of runs: false alarms, the small grid, and what components need."""

import json
from pathlib import Path

import pytest
import yaml
from docs_alarms import alarms_of, measured
from docs_grid import FILE, grid
from docs_needs import attack_needs, defence_needs
from docs_zoo import zoo_pages

from fedlens.core.registry import BUILT_IN, resolve
from fedlens.defences.filter import Filter
from fedlens.sweeps.grid import load_grid

DOCS = Path(__file__).parents[2] / "docs"
FILTERS = {name for name in BUILT_IN["stage"] if issubclass(resolve("stage", name), Filter)} | set(BUILT_IN["checks"])


def test_every_filter_s_page_has_its_false_alarms() -> None:
    assert {(one.method, one.partition) for one in measured(DOCS)} == {
        (name, partition) for name in FILTERS for partition in ("iid", "Dirichlet(0.5)")
    }
    assert "## False alarms" in list(zoo_pages(DOCS)["flame-filter"])


def test_a_rate_has_wilson_s_interval(tmp_path: Path) -> None:
    (tmp_path / "zoo").mkdir()
    line = {"method": "f", "options": {"f": 2}, "partition": "iid", "rounds": 1, "first": 1, "seeds": 1}
    (tmp_path / "zoo" / "false_alarms.yaml").write_text(yaml.safe_dump([{**line, "judged": 10, "flagged": 9}]))
    shown = "\n".join(alarms_of("f", tmp_path))
    assert "| iid | 10 | 9 | 90.0 % [59.6, 98.2] |" in shown  # the example of `wilson`
    assert "options `f: 2`, all others as by default" in shown
    assert list(alarms_of("g", tmp_path)) == []


def test_the_small_grid_s_table_has_every_cell_with_its_control() -> None:
    cells = json.loads((DOCS / FILE).read_text("utf-8"))
    assert len(cells) == len(load_grid(DOCS / FILE.with_suffix(".yaml")).cells())
    assert all(cell["twin"] > 0.5 and (cell["asr"] is None) == (cell["asr_twin"] is None) for cell in cells)


def test_a_grid_s_cell_shows_the_twin_s_numbers_too(tmp_path: Path) -> None:
    (tmp_path / "zoo").mkdir()
    cell = {"attack": "a", "defence": "d", "accuracy": 0.5, "twin": 0.925, "asr": 1.0, "asr_twin": 0.031}
    (tmp_path / FILE).write_text(json.dumps([cell]))
    assert "| `d` | 50.0 % (92.5 %); ASR 100.0 % (3.1 %) |" in list(grid(tmp_path))


@pytest.mark.parametrize(
    "line",
    [
        "| [`mean`](mean.md) |  | 1 |  |  |",
        "| [`krum`](krum.md) | `f` | 5 with `f: 1` |  | yes |",
        "| [`foolsgold`](foolsgold.md) |  | 1 | who sent what, in every round | yes |",
        "| [`fltrust`](fltrust.md) |  | 1 | root samples | yes |",
        "| [`crfl`](crfl.md) |  | 1 |  |  |",
    ],
)
def test_what_a_defence_needs(line: str) -> None:
    assert line in list(defence_needs())


@pytest.mark.parametrize(
    "line",
    [
        "| [`badnets`](badnets.md) | nothing |  |  |",
        "| [`agr-tailored`](agr-tailored.md) | all | yes |  |",
        "| [`inner-product-manipulation`](inner-product-manipulation.md) | all |  | `eps` |",
    ],
)
def test_what_an_attack_sees(line: str) -> None:
    assert line in list(attack_needs())
