"""Cells of a sweep on other data than the rest are found, however that came about."""

import os
import secrets
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from small import small
from smallgrid import InProcess, grid_of, nobody, swept

from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.models.mlp import CensusMlp
from fedlens.sweeps.grid import Grid


class FromFile(Data):
    """Points with the noise that a file says."""

    def load(self, directory: Path | None = None) -> Dataset:
        noise = float(Path(os.environ["NOISE"]).read_text())
        y = torch.arange(120) % 3
        x = torch.eye(3)[y] + noise * torch.randn(120, 3)
        return Dataset(Samples(x[:90], y[:90]), Samples(x[90:], y[90:]), ("a", "b", "c"))


class Unseeded(Data):
    """Points that are others whenever they are loaded."""

    def load(self, directory: Path | None = None) -> Dataset:
        x = torch.from_numpy(np.random.default_rng(secrets.randbits(64)).normal(size=(120, 5)).astype(np.float32))
        y = torch.arange(120) % 3
        return Dataset(Samples(x[:90], y[:90]), Samples(x[90:], y[90:]), ("a", "b", "c"))


@pytest.fixture(autouse=True)
def noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "noise.txt"
    file.write_text("0.1")
    monkeypatch.setenv("NOISE", str(file))
    return file


def grid(*seeds: int, data: Data | None = None) -> Grid:
    return grid_of({"seed": list(seeds)}, data=data or FromFile(), model=CensusMlp(), rounds=1)


def test_complete_cells_on_data_of_then_are_not_brought_together_with_new_ones(noise: Path) -> None:
    assert not swept(grid(0, 1)).failures
    noise.write_text("0.2")
    sweep = swept(grid(0, 1, 2))
    assert [cell.values["seed"] for cell, _ in sweep.failures] == [0, 1]
    for cell, reason in sweep.failures:
        assert "its data are not those that there are now: a file has changed" in reason
        assert f"remove {sweep.directory.path_of(cell)}" in reason
    assert InProcess.keys == [sweep.cells[2].key]
    assert pd.read_parquet("sweep/rounds.parquet")["seed"].tolist() == [2]
    noise.write_text("0.1")
    sweep = swept(grid(0, 1, 2, 3))
    assert [cell.values["seed"] for cell, _ in sweep.failures] == [2]
    assert sorted(pd.read_parquet("sweep/rounds.parquet")["seed"]) == [0, 1, 3]


def test_a_cell_is_not_gone_on_with_on_other_data(noise: Path) -> None:
    sweep = swept(grid(0, 1))
    begun = sweep.directory.path_of(sweep.cells[0])
    (begun / "summary.json").unlink()
    noise.write_text("0.2")
    sweep = swept(grid(0, 1))
    reasons = {cell.values["seed"]: reason for cell, reason in sweep.failures}
    assert reasons.keys() == {0, 1}
    assert "the data are not those that this run was begun with" in reasons[0]
    assert "its data are not those that there are now" in reasons[1]


def test_data_that_are_drawn_anew_for_every_cell_are_noticed() -> None:
    sweep = swept(grid(0, 1, 2, data=Unseeded()))
    assert len(sweep.failures) == 2
    assert all("drawn anew each time" in reason for _, reason in sweep.failures)
    assert sweep.rounds["seed"].nunique() == 1


def test_where_nothing_is_left_to_do_nothing_is_loaded(noise: Path) -> None:
    swept(grid(0, 1))
    noise.unlink()
    assert not swept(grid(0, 1), nobody).failures


def test_cells_of_an_earlier_version_are_taken_as_they_are(noise: Path) -> None:
    sweep = swept(grid(0, 1))
    for cell in sweep.cells:
        (sweep.directory.path_of(cell) / "digests.json").unlink()
    noise.write_text("0.2")
    assert not swept(grid(0, 1, 2)).failures


def test_cells_on_several_data_sets_are_compared_with_those_on_the_same() -> None:
    described = small(rounds=1, model=CensusMlp()).describe()
    data = [f"{__name__}:FromFile", "digits"]
    options = {"experiment": described, "product": {"data": data, "seed": [0, 1]}}
    assert not swept(Grid.model_validate(options)).failures
