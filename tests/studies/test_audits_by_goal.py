"""Audits from an experiment to their report, for each goal, a regression and a team: the words fit what is measured."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_audits
import torch
from auditing import audited
from torch import nn

import fedlens
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.experiment.experiment import Experiment
from fedlens.models.model import Model
from fedlens.report.audit_markdown import markdown
from fedlens.report.audited import Audited, read_audit
from fedlens.studies.audit import audit as auditing
from fedlens.studies.audit import power
from fedlens.studies.audit.arms import Arm, arms_for
from fedlens.studies.audit.audit import Audit
from fedlens.studies.audit.schedule import Schedule
from fedlens.training.local import LocalTraining

SMALL = Schedule(minutes=60, arms=2, seeds=1, kept=2, federations=2, trials=1, finalists=1, verdict=2)


class Prices(Data):
    """Prices that depend on three features."""

    def regression(self) -> bool:
        return True

    def load(self, directory: Path | None = None) -> Dataset:
        x = torch.linspace(-1, 1, 180).sin().reshape(60, 3)
        y = 1000 + 50 * (x @ torch.tensor([1.0, -2.0, 3.0]))
        return Dataset(Samples(x[:40], y[:40]), Samples(x[40:], y[40:]), classes=())


class Plane(Model):
    """A single layer."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Linear(*shape, classes)


@pytest.fixture(scope="module", autouse=True)
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with tiny_audits.tiny({"standard": SMALL}, tmp_path_factory.mktemp("cache")), pytest.MonkeyPatch.context() as patch:
        patch.setattr(auditing, "arms_for", cheap_arms)
        patch.setattr(power, "LEAKS", (0.3, 0.1))
        yield


def cheap_arms(experiment: Experiment) -> tuple[list[Arm], dict[str, str]]:
    """Those that train no more than honest clients do."""
    fitting, unfit = arms_for(experiment)
    return [arm for arm in fitting if arm.attack in {"badnets", "sign-flipping"}], unfit


def told(folder: Path, experiment: Experiment) -> tuple[Audit, Audited, str]:
    made = tiny_audits.made(folder, experiment)
    audit = read_audit(folder)
    worst = fedlens.load_experiment(folder / "worst.yaml")
    assert worst.identity() == experiment_of_the_worst(made).identity()
    return made, audit, markdown(audit)


def experiment_of_the_worst(made: Audit) -> Experiment:
    assert made.worst is not None
    return made.worst


def brief(**changes: Any) -> Experiment:
    training = LocalTraining(steps=12, learning_rate=0.01)
    return audited(**{"rounds": 1, "local": training} | changes)


def test_a_backdoor(tmp_path: Path) -> None:
    made, audit, text = told(tmp_path / "backdoor", brief(goal="backdoor"))
    assert all(0 <= (one.confidence or 0) <= 1 for one in made.trials.played)
    assert "to have inputs with a trigger misclassified" in text
    assert audit.federations().head[4:6] == ["success rate", "accuracy cost"]
    assert "costs at most 100 points of accuracy" in audit.counting


def test_damage_speaks_of_what_is_lost_and_of_no_confidence(tmp_path: Path) -> None:
    made, audit, text = told(tmp_path / "damage", brief(goal="damage"))
    [finalist] = audit.finalists().rows
    costs = [one.cell.cost for one in made.trials.played if one.cell is not None]
    assert finalist[5] == f"{100 * (costs[0] + costs[1]) / 2:.1f} points".replace("-", "−")
    assert all(one.cell is not None and one.confidence == one.cell.cost for one in made.trials.played)
    assert "confidence" not in text
    assert "accuracy cost" not in text
    assert "accuracy lost" in text
    assert "at least 10 points of accuracy" in audit.counting


def test_a_regression_speaks_of_errors_and_of_no_accuracy(tmp_path: Path) -> None:
    training = LocalTraining(steps=4, batch_size=20, optimizer="sgd", learning_rate=0.3)
    prices = Experiment(data=Prices(), model=Plane(), clients=4, rounds=1, local=training)
    made, audit, text = told(tmp_path / "prices", prices)
    assert all(one.cell is not None for one in made.trials.played)
    assert "accuracy" not in text
    assert "confidence" not in text
    assert " SD |" in text
    assert "0.1 standard deviations (SD) of the labels" in audit.counting


def test_a_team(tmp_path: Path) -> None:
    experiment = brief(clients=6, goal="backdoor", attackers={"count": 2}, attack="badnets")
    made, _, text = told(tmp_path / "team", experiment)
    assert "6 clients, 2 of which attack to have inputs" in text
    runs = [fedlens.load_run(made.path / "cells" / one.key) for one in made.trials.played]
    assert {run.experiment.team for run in runs} == {(4, 5)}
    assert all(record.malicious_clients for run in runs for record in run.records)
    assert "F12" in {doubt.code for doubt in made.doubts}
