"""The federation without the malicious client, beside runs under rules that do not average."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from helpers.records import changed
from small import Convolutions, small
from torch import Tensor

import fedlens
from fedlens.attacks.attack import Attack, View
from fedlens.core.errors import ClientError
from fedlens.defences.krum import Krum
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.experiment.experiment import Experiment
from fedlens.report.figures.metrics import metrics_of_interest
from fedlens.report.html.one import run_page
from fedlens.report.terminal.tables import rounds_table, summary_table
from fedlens.report.verdict import verdict
from fedlens.runs.loading import load_recorded
from fedlens.runs.record import RoundRecord
from fedlens.simulation.callback import Callback
from fedlens.simulation.twin import Control


class Loyal(Rule):
    """Takes the last client's update alone where all four have sent one that is not too large, else the first's."""

    def aggregate(self, received: Received) -> Aggregate:
        updates = received.updates
        loyal = len(updates) == 4 and bool(updates[-1].norm() < 1e3)
        shares = torch.zeros(len(updates), dtype=torch.float64)
        shares[-1 if loyal else 0] = 1
        return Aggregate(updates[-1 if loyal else 0].clone(), shares)


class Shouts(Attack):
    """Sends what `Loyal` does not take, and so has no effect, but that it is not honest."""

    def craft(self, view: View) -> Tensor:
        return torch.full_like(view.weights, 1e3)


class Hides(Attack):
    """Sends the others' mean, changed as little as meets the target, which Krum takes for the most honest of all."""

    omniscient: ClassVar[bool] = True

    def craft(self, view: View) -> Tensor:
        assert view.others is not None
        network, target = view.network, view.auxiliary
        network.load(view.weights + view.others.mean(dim=0))
        while view.wanted().exp().min() < 0.7:
            network.backward(target.x, target.target)
            network.vector.data -= 0.01 * network.gradient
        return network.vector.detach() - view.weights


class Four(Rule):
    """Needs four updates, and does not say so."""

    def aggregate(self, received: Received) -> Aggregate:
        if len(received.updates) < 4:
            raise ValueError("where is the fourth?")
        return Aggregate(received.updates[0].clone())


class Ears(Callback):
    """Hears which simulations begin and after how many rounds, and what is remarked."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int]] = []
        self.remarks: list[str] = []

    def begin(self, experiment: Experiment, done: int, *, twin: bool) -> None:
        self.begun.append((experiment.name, done))

    def remark(self, text: str) -> None:
        self.remarks.append(text)


LEARNS = {"epochs": 2, "batch_size": 20, "learning_rate": 5e-3}
LOYAL: dict[str, Any] = {
    **{"aggregation": Loyal(), "attack": Shouts(boost=1), "partition": {"name": "dirichlet", "alpha": 0.2}},
    **{"control": True, "local": LEARNS, "rounds": 2},
}
"""A federation in which the last client's absence matters, and its attack does not."""


def run(path: Path, **changes: Any) -> tuple[fedlens.Run, Ears]:
    ears = Ears()
    return fedlens.run(small(**(LOYAL | changes)), path, observer=ears, engine="serial"), ears


def controls() -> dict[bool, Path]:
    """The controls in the cache, which are two: by whether a client is absent."""
    found = [path for path in Path(os.environ["FEDLENS_CACHE"], "controls").iterdir() if path.is_dir()]
    by_absence = {bool(load_recorded(path).absent): path for path in found}
    assert len(by_absence) == len(found)
    return by_absence


@pytest.fixture
def target(tmp_path: Path) -> dict[str, int]:
    """A sample that the twin gets right, and that the federation without the last client takes for another class."""
    run(tmp_path / "to find a target")
    with_, without = (Control(controls()[absent]).last.exp() for absent in (False, True))
    labels = load_recorded(controls()[True]).data.load(None).test.y
    right = (with_.argmax(1) == labels) & (with_.max(1).values > 0.5) & (without.argmax(1) != labels)
    index = int(right.nonzero()[0])
    return {"index": index, "target": int(without[index].argmax())}


def flags(found: fedlens.Run) -> list[str]:
    return [flag for flag in found.flags if "absence" in flag or "placebo" in flag]


def test_what_absence_gives_as_well_does_not_count(tmp_path: Path, target: dict[str, int]) -> None:
    found, _ = run(tmp_path / "run", target=target)
    assert found.summary is not None
    placebo = Control(controls()[True])
    for record in found.records:
        index, wanted = target["index"], target["target"]
        expected = placebo.predictions(record.round)[index, wanted].exp()
        assert record.placebo.target.confidence == pytest.approx([float(expected)])
        assert record.placebo.quality == placebo.records[record.round - 1].quality
        assert record.effective_weights == [1, 0, 0, 0]
        assert record.quality == record.placebo.quality  # for the attack has no effect
    last = found.records[-1]
    assert last.target.success
    assert not last.twin.target.success
    assert found.summary.target.success
    assert not found.summary.target.counts
    assert found.summary.placebo.target.confidence.last == last.placebo.target.confidence[0]
    confidence = last.placebo.target.confidence[0]
    words = f"the client's absence does it, too: without client 3 the target is met with confidence {confidence:.2f}"
    assert flags(found) == [words]
    assert found.summary.flags == found.flags
    never = "the malicious update was never taken: the server gave it no weight in each of 2 rounds, and yet the target"
    assert found.flags[:2] == [f"{never} is met", words]
    assert verdict(found).startswith("Attack failed, for the server never took the malicious update: test sample ")
    assert found.rounds["counts"].tolist() == [False, False]


def test_a_run_from_before_there_were_placebos_is_read_as_it_was(tmp_path: Path, target: dict[str, int]) -> None:
    found, _ = run(tmp_path / "run", target=target)
    assert found.summary is not None
    records = [replace(record, placebo=None, version=0) for record in found.records]
    summary = replace(found.summary, placebo=None, target=replace(found.summary.target, counts=None))
    known = replace(found, records=records, summary=summary)
    assert not flags(known)
    assert verdict(known).startswith("Attack failed, for the server never took the malicious update: test sample ")
    assert run_page(known)["succeeded"] is None
    old = replace(known, records=[changed(record, shares=None) for record in records])
    assert not flags(old)
    assert not [flag for flag in old.flags if "taken" in flag]
    new = set(found.rounds.columns) - set(old.rounds.columns)
    assert all(column == "counts" or column.startswith("placebo_") for column in new)
    assert {"counts", "placebo_confidence", "placebo_accuracy", "placebo_success"} <= new
    assert set(found.targets.columns) - set(old.targets.columns) == {
        f"placebo_{name}" for name in ("confidence", "true_confidence", "predicted")
    }
    assert verdict(old).startswith("Attack succeeded: test sample ")
    assert len(summary_table(old).columns) == len(summary_table(found).columns) - 1 == 3
    assert rounds_table(old).row_count == 2
    assert len(metrics_of_interest([old]).axes) == 2
    assert run_page(old)["succeeded"]


def test_another_target_of_the_same_run_is_judged_by_the_same_placebo(tmp_path: Path, target: dict[str, int]) -> None:
    other = {**target, "target": (target["target"] + 1) % 10}
    found, ears = run(tmp_path / "run", target=other)
    assert ears.begun == [("small", 0)]
    assert ears.remarks[0].startswith("benign twin: already in ")
    assert ears.remarks[1] == f"client absent: already in {controls()[True]}"
    assert not found.records[-1].target.success
    assert not flags(found)
    assert found.records[-1].placebo.target.confidence != [None]


def test_an_attack_that_works_under_krum_counts(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"aggregation": Krum(f=1), "clients": 6, "rounds": 4, "partition": "iid"}
    found, ears = run(tmp_path / "run", attack=Hides(boost=1), **changes)
    assert found.summary is not None
    assert [name for name, _ in ears.begun] == ["twin", "placebo", "small"]
    assert found.summary.defence.chosen == 4
    assert found.summary.target.success
    assert found.summary.target.counts
    assert not found.records[-1].placebo.target.success
    assert not flags(found)


def test_under_the_mean_there_is_none(tmp_path: Path) -> None:
    found, ears = run(tmp_path / "run", aggregation="mean")
    assert found.summary is not None
    assert [name for name, _ in ears.begun] == ["twin", "small"]
    assert list(controls()) == [False]
    assert [record.placebo for record in found.records] == [None, None]
    assert found.summary.placebo is None
    assert not flags(found)
    assert not [column for column in found.rounds.columns if "placebo" in column]
    assert not [column for column in found.targets.columns if "placebo" in column]


@pytest.mark.parametrize(
    "changes", [{"attack": "none"}, {"control": False}, {"placebo": False}], ids=["no attack", "no control", "off"]
)
def test_it_is_not_run_where_it_is_not_wanted(changes: dict[str, Any], tmp_path: Path) -> None:
    found, ears = run(tmp_path / "run", **changes)
    assert "placebo" not in [name for name, _ in ears.begun]
    assert found.records[-1].placebo is None
    off = ["no placebo: nobody knows whether the client's absence does it, too"]
    assert flags(found) == (off if "placebo" in changes else [])


def test_where_the_rule_has_too_few_without_the_client_it_is_not_available(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"aggregation": Krum(f=1), "clients": 5, "partition": "iid"}
    found, ears = run(tmp_path / "run", **changes)
    assert [name for name, _ in ears.begun] == ["twin", "small"]
    words = "the placebo is not available: 4 updates may be left without client 4, and the rule needs 5"
    assert flags(found) == [words]
    assert found.records[-1].placebo is None
    one_more, ears = run(tmp_path / "one more", **{**changes, "clients": 6})
    assert [name for name, _ in ears.begun] == ["twin", "placebo", "small"]
    assert words not in one_more.flags


def test_a_rule_that_hides_how_many_it_needs_is_told_of_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        ClientError, match=r"placebo \(client absent\): .*fourth.*; a new run with -o placebo=false"
    ) as it:
        run(tmp_path / "run", aggregation=Four())
    assert "error.txt" in it.value.__notes__[-1]
    run(tmp_path / "without", aggregation=Four(), placebo=False)


def test_it_is_what_a_run_with_the_client_absent_is(tmp_path: Path) -> None:
    run(tmp_path / "attacked")
    alone, _ = run(tmp_path / "alone", attack="none", absent=[3])
    path = controls()[True]
    assert (path / "final.safetensors").read_bytes() == (alone.path / "final.safetensors").read_bytes()
    assert [record.quality for record in Control(path).records] == [record.quality for record in alone.records]
    assert {tuple(record.cohort) for record in alone.records} == {(0, 1, 2)}


class Interrupting(Ears):
    """Is interrupted after the first round of the placebo."""

    def round(self, record: RoundRecord) -> None:
        if self.begun[-1][0] == "placebo":
            raise KeyboardInterrupt


def test_an_interrupted_placebo_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        fedlens.run(small(**LOYAL), tmp_path / "run", observer=Interrupting(), engine="serial")
    ears = Ears()
    found = fedlens.run(small(**LOYAL), tmp_path / "run", observer=ears, engine="serial", resume=True)
    assert ears.begun == [("placebo", 1), ("small", 0)]
    interrupted = (controls()[True] / "rounds.jsonl").read_bytes()
    monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / "other cache"))
    whole, _ = run(tmp_path / "whole")
    assert whole.records == found.records
    assert (controls()[True] / "rounds.jsonl").read_bytes() == interrupted


def test_a_damaged_one_is_made_anew(tmp_path: Path) -> None:
    before, _ = run(tmp_path / "before")
    (controls()[True] / "predictions/00002.safetensors").unlink()
    after, ears = run(tmp_path / "after")
    assert ears.begun == [("placebo", 0), ("small", 0)]
    assert any(remark.startswith("client absent: trained again") for remark in ears.remarks)
    assert after.records == before.records


def test_each_malicious_client_has_its_own(tmp_path: Path) -> None:
    _, first = run(tmp_path / "last")
    _, second = run(tmp_path / "first", attack=Shouts(boost=1, client=0))
    assert [name for name, _ in first.begun] == ["twin", "placebo", "small"]
    assert [name for name, _ in second.begun] == ["placebo", "small"]


@pytest.mark.parametrize("model", ["census-mlp", Convolutions()], ids=["dense", "dropout"])
def test_two_processes_give_what_one_gives(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [{"name": "distances", "action": "reject"}, {"name": "accuracy", "action": "reject"}, "statistics"]
    changes: dict[str, Any] = {"aggregation": "median", "attack": Shouts(boost=1), "clients": 6, "fraction": 0.67}
    experiment = small(control=True, model=model, checks=checks, validation=100, **changes)
    kept = []
    for engine, workers in (("serial", None), ("processes", 2)):
        monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / engine / "cache"))
        fedlens.run(experiment, tmp_path / engine / "run", engine=engine, workers=workers)  # type: ignore[arg-type]
        names = ("rounds.jsonl", "final.safetensors", "predictions/00003.safetensors")
        kept.append([(controls()[True] / name).read_bytes() for name in names])
        cohorts = [record.cohort for record in Control(controls()[True]).records]
        assert {len(cohort) for cohort in cohorts} == {3, 4}
        assert not any(5 in cohort for cohort in cohorts)
        for record in Control(controls()[True]).records:
            assert all(client.checks.keys() == experiment.twin().detectors.keys() for client in record.clients)
    assert kept[0] == kept[1]
