"""What a run does once: it builds its model, and hashes its data."""

from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from small import small
from torch import nn

import fedlens
from fedlens.data.dataset import Dataset
from fedlens.data.loading import load
from fedlens.experiment.setting import prepare
from fedlens.models.mlp import CensusMlp
from fedlens.models.model import Model
from fedlens.simulation.callback import Callback
from fedlens.simulation.runtime import Runtime
from fedlens.simulation.simulation import play


class Linear(Model):
    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), classes))


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models built so far."""
    built: list[str] = []
    for model in (CensusMlp, Linear):

        def counted(self: Any, *arguments: Any, original: Any = model.build) -> Any:
            built.append(type(self).__name__)
            return original(self, *arguments)

        monkeypatch.setattr(model, "build", counted)
    return built


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An entry whenever a data set was hashed."""
    times: list[int] = []
    original = vars(Dataset)["_fingerprint"].func

    def counted(dataset: Dataset) -> str:
        times.append(len(dataset.train))
        return str(original(dataset))

    once = cached_property(counted)
    once.__set_name__(Dataset, "_fingerprint")
    monkeypatch.setattr(Dataset, "_fingerprint", once)
    return times


@pytest.mark.parametrize("engine", ["auto", "serial"])
def test_a_run_builds_its_model_once_for_itself_and_its_twin(tmp_path: Path, builds: list[str], engine: Any) -> None:
    run = fedlens.run(small(control=True), tmp_path / "run", engine=engine)
    assert builds == ["CensusMlp"]
    assert run.records[0].twin is not None
    fedlens.run(run.experiment, run.path, engine=engine, resume=True)
    assert builds == ["CensusMlp"] * 2


def test_a_custom_model_is_built_a_second_time_to_see_that_it_begins_with_the_same_weights(
    tmp_path: Path, builds: list[str]
) -> None:
    fedlens.run(small(control=True, model=Linear()), tmp_path / "run", engine="serial")
    assert builds == ["Linear"] * 2


def test_networks_of_a_setting_begin_alike_and_share_nothing() -> None:
    setting = prepare(small())
    first, second = setting.network(), setting.network()
    assert torch.equal(first.vector, second.vector)
    digest = setting.digests()["weights"]
    first.load(torch.zeros_like(first.vector))
    assert torch.equal(second.vector, setting.network().vector)
    assert setting.digests()["weights"] == digest


@pytest.mark.parametrize("validation", [None, 50])
def test_data_in_memory_are_hashed_once_however_many_runs_are_made_on_them(
    tmp_path: Path, hashed: list[int], validation: int | None
) -> None:
    experiment = small(control=True, **({} if validation is None else {"validation": 50, "checks": ["accuracy"]}))
    runtime = Runtime("serial", dataset=load(experiment.data))
    for name in ("one", "two"):
        play(experiment, tmp_path / name, runtime, Callback(), resume=False)
    assert len(hashed) == 1
    play(experiment, tmp_path / "three", Runtime("serial"), Callback(), resume=False)  # loads them anew
    assert len(hashed) == 2
