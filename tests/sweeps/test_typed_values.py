"""However a value is typed in a grid, tables have what was understood, and it is found by any way of typing it."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from helpers.calling import called
from small import small
from smallgrid import swept

from fedlens.core.config import validate
from fedlens.runs.loading import load_experiment
from fedlens.sweeps.grid import Grid, load_grid
from fedlens.sweeps.sweep_directory import SweepDirectory

TEXT = """
experiment: base.yaml
product:
  local.learning_rate: [1e-3, 5E-2]
  rounds: [01]
"""


@pytest.fixture
def base(here: Path) -> None:
    Path("base.yaml").write_text(yaml.safe_dump(small().describe()))


def grids() -> dict[str, Any]:
    """The same grid as it may come from YAML, and from a program that has text."""
    return {
        "in YAML": load_grid("grid.yaml"),
        "as text": validate(
            Grid,
            {
                "experiment": "base.yaml",
                "product": {"local.learning_rate": ["1e-3", "0.050"], "rounds": ["1"]},
            },
        ),
    }


@pytest.mark.parametrize("how", ["in YAML", "as text"])
def test_tables_have_numbers_and_any_way_of_typing_finds_them(
    base: None, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("grid.yaml").write_text(TEXT)
    sweep = swept(grids()[how])
    assert not sweep.failures
    table = pd.read_parquet("sweep/rounds.parquet")
    assert table["local.learning_rate"].tolist() == [0.001, 0.05]
    assert table["local.learning_rate"].dtype == float
    assert table["rounds"].tolist() == [1, 1]
    for typed in ("1e-3", "0.001", "1E-03", ".0010"):
        code, out, err = called(capsys, "compare", "sweep", "--where", f"local.learning_rate={typed}")
        assert code == 0, err
        assert not re.search(r"\b0\.05\b", out)
    assert [str(cell) for cell in sweep.cells] == [
        "local.learning_rate=0.001, rounds=1",
        "local.learning_rate=0.05, rounds=1",
    ]


@pytest.mark.parametrize("wanted", ["1e-3", "0.001", "'1e-3'", "0.0010"])
@pytest.mark.parametrize("value", ["1e-3", "0.001", "'1e-3'"])
def test_an_exclusion_finds_a_value_however_it_is_typed(base: None, value: str, wanted: str) -> None:
    Path("grid.yaml").write_text(
        f"experiment: base.yaml\nproduct: {{local.learning_rate: [{value}, 0.5]}}\n"
        f"exclude: {{local.learning_rate: {wanted}}}\n"
    )
    assert [cell.labels for cell in load_grid("grid.yaml").cells()] == [{"local.learning_rate": 0.5}]


def test_the_grid_that_is_kept_is_read_as_it_was(base: None) -> None:
    Path("grid.yaml").write_text("experiment: base.yaml\nabout: '1e-3'\nproduct: {rounds: [010, 1e0], seed: ['7']}\n")
    grid = load_grid("grid.yaml")
    with SweepDirectory(Path("sweep")).begun(grid):
        again = load_grid("sweep/sweep.yaml")
    kept = again.model_dump()
    assert kept == grid.model_dump() | {"name": again.name, "experiment": kept["experiment"]}
    assert kept["experiment"]["rounds"] == load_experiment("base.yaml").rounds
    assert [cell.key for cell in again.cells()] == [cell.key for cell in grid.cells()]
    assert [cell.labels for cell in again.cells()] == [{"rounds": 10, "seed": 7}, {"rounds": 1, "seed": 7}]
