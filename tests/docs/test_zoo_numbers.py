"""What the zoo's pages show of runs: false alarms, the grid of attacks and defences, and what components need."""

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


def test_the_grid_s_tables_have_every_cell_with_its_control() -> None:
    cells = json.loads((DOCS / FILE).read_text("utf-8"))
    assert len(cells) == len(load_grid(DOCS / FILE.with_suffix(".yaml")).cells())
    assert all((cell["asr"] is None) == (cell["asr_twin"] is None) for cell in cells)


def test_a_grid_s_cell_shows_the_median_over_seeds_its_interval_and_the_twin(tmp_path: Path) -> None:
    (tmp_path / "zoo").mkdir()
    damage = {"attack": "a", "defence": "d", "twin": 0.9, "asr": None, "asr_twin": None}
    backdoor = {"attack": "b", "defence": "d", "twin": 0.9, "accuracy": 0.88, "asr_twin": 0.03}
    cells = [{**damage, "seed": seed, "accuracy": 0.9 - 0.01 * seed} for seed in range(5)]
    cells += [{**backdoor, "seed": seed, "asr": 0.5 + 0.1 * seed} for seed in range(5)]
    (tmp_path / FILE).write_text(json.dumps(cells))
    lines = list(grid(tmp_path))
    assert '| `d` | 90.0 % | <span class="heat" style="--heat: 0.04">2.0 [0.0, 4.0]</span> |' in lines
    assert '| `d` | 3.0 % | <span class="heat" style="--heat: 0.70">70.0 [50.0, 90.0]</span> |' in lines
    assert any("more than 2.0 % of accuracy" in line for line in lines)


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
