"""A run is gone on with only on what it was begun with."""

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from small import small
from torch import Tensor, nn

import fedlens
from fedlens.core.errors import RunError
from fedlens.core.random import Address
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.data.partition import Partition, Shards
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.models.model import Model
from fedlens.runs.reading import read_json
from fedlens.simulation.callback import Callback
from fedlens.simulation.twin import key


class FromFile(Data):
    """Points whose labels are in a file, in the order that a variable says."""

    def load(self, directory: Path | None = None) -> Dataset:
        x = torch.randn(120, 5)
        y = torch.from_numpy(np.loadtxt(os.environ["LABELS"], dtype=np.int64))
        classes = tuple(os.environ.get("CLASSES", "a b c").split())
        return Dataset(Samples(x[:90], y[:90]), Samples(x[90:], y[90:]), classes)


class Unseeded(Data):
    """Points that are others whenever they are loaded."""

    def load(self, directory: Path | None = None) -> Dataset:
        x = torch.from_numpy(np.random.default_rng(secrets.randbits(64)).normal(size=(120, 5)).astype(np.float32))
        y = torch.arange(120) % 3
        return Dataset(Samples(x[:90], y[:90]), Samples(x[90:], y[90:]), ("a", "b", "c"))


class Shifted(Partition):
    """Deals the samples from where a variable says."""

    def split(self, labels: Tensor, clients: int, address: Address) -> Shards:
        order = torch.arange(len(labels)).roll(int(os.environ.get("SHIFT", "0")))
        return Shards(order, torch.arange(clients + 1) * len(labels) // clients)


class Scaled(Model):
    """Begins with weights as large as a variable says."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        layer = nn.Linear(*shape, classes)
        with torch.no_grad():
            layer.weight.mul_(float(os.environ.get("SCALE", "1")))
        return layer


class Ears(Callback):
    """Hears what is remarked."""

    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


BASE = {"data": FromFile(), "partition": Shifted(), "model": Scaled(), "target": {"index": (0,), "target": "c"}}


def experiment(**changes: object) -> Experiment:
    return small(**(BASE | {"rounds": 4} | changes))


def begun(path: Path, **changes: object) -> Path:
    """A run of four rounds of which two have been played."""
    fedlens.run(experiment(**changes, rounds=2), path)
    for name in ("summary.json", "final.safetensors"):
        (path / name).unlink()
    text = (path / "experiment.yaml").read_text()
    (path / "experiment.yaml").write_text(text.replace("rounds: 2", "rounds: 4"))
    return path


@pytest.fixture(autouse=True)
def labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "labels.txt"
    np.savetxt(file, np.arange(120) % 3, fmt="%d")
    monkeypatch.setenv("LABELS", str(file))
    return file


def exchanged(file: Path, place: int) -> None:
    """Exchange the labels of two samples that stand beside each other."""
    content = file.read_text().splitlines()
    content[place], content[place + 1] = content[place + 1], content[place]
    file.write_text("\n".join(content))


CHANGES: dict[str, tuple[str, Callable[[Path, pytest.MonkeyPatch], None]]] = {
    "a training label": ("the data are not those", lambda file, _: exchanged(file, 50)),
    "a test label": ("the data are not those", lambda file, _: exchanged(file, 100)),
    "a class's name": ("the data are not those", lambda _, patch: patch.setenv("CLASSES", "a b d")),
    "the shards": ("the partition assigns samples differently", lambda _, patch: patch.setenv("SHIFT", "1")),
    "the first weights": ("does not begin with the weights", lambda _, patch: patch.setenv("SCALE", "2")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_run_is_not_resumed_on_something_else(
    tmp_path: Path, labels: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path, (words, do) = begun(tmp_path / "run", target={"index": (0,), "target": "b"}), CHANGES[change]
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    do(labels, monkeypatch)
    with pytest.raises(RunError, match=f"{path}: .*{words}.*remove {path}"):
        fedlens.run(experiment(target={"index": (0,), "target": "b"}), path, resume=True)
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


def test_it_is_resumed_on_the_same_without_a_word(tmp_path: Path) -> None:
    path, ears = begun(tmp_path / "run"), Ears()
    fedlens.run(experiment(), path, resume=True, observer=ears)
    fedlens.run(experiment(), tmp_path / "whole")
    assert (path / "rounds.jsonl").read_bytes() == (tmp_path / "whole" / "rounds.jsonl").read_bytes()
    assert not ears.remarks


def test_data_that_are_drawn_without_a_seed_are_not_gone_on_with(tmp_path: Path) -> None:
    path = begun(tmp_path / "run", data=Unseeded())
    with pytest.raises(RunError, match="drawn anew each time"):
        fedlens.run(experiment(data=Unseeded()), path, resume=True)


def test_a_run_of_an_earlier_version_is_resumed_with_a_remark(tmp_path: Path) -> None:
    path = begun(tmp_path / "run")
    (path / "digests.json").unlink()
    ears, again = Ears(), Ears()
    fedlens.run(experiment(), path, resume=True, observer=ears)
    assert ["cannot be compared" in remark for remark in ears.remarks] == [True]
    fedlens.run(experiment(), path, resume=True, observer=again)
    assert not again.remarks


def test_code_that_has_changed_is_remarked(tmp_path: Path) -> None:
    path, ears = begun(tmp_path / "run"), Ears()
    file = path / "digests.json"
    file.write_text(json.dumps(read_json(file) | {"code": "other"}))
    fedlens.run(experiment(), path, resume=True, observer=ears)
    assert ["your code has changed" in remark for remark in ears.remarks] == [True]


def test_before_the_first_round_nothing_is_compared(tmp_path: Path, labels: Path) -> None:
    path = begun(tmp_path / "run")
    for name in ("checkpoint.safetensors", "rounds.jsonl", "target.json"):
        (path / name).unlink()
    exchanged(labels, 50)
    assert len(fedlens.run(experiment(), path, resume=True).records) == 4


def test_a_sample_that_is_set_apart_counts(labels: Path) -> None:
    before = prepare(experiment(validation=30))
    assert before.validation is not None
    content = labels.read_text().splitlines()
    others = experiment(validation=30)
    for place in range(90):  # one that no client has: exchange its label with its neighbour's, if that is set apart too
        exchanged(labels, place)
        after = prepare(others)
        if torch.equal(after.dataset.train.y, before.dataset.train.y):
            break
        labels.write_text("\n".join(content))
    else:
        pytest.fail("no two neighbours are set apart")
    assert after.digests()["data"] != before.digests()["data"]
    assert key(after, "same") != key(before, "same")


def test_the_digest_of_the_data_does_not_depend_on_seed_or_validation() -> None:
    found = {prepare(experiment(**changes)).digests()["data"] for changes in ({}, {"seed": 1}, {"validation": 30})}
    assert len(found) == 1
