from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from small import small
from torch.optim import lr_scheduler

import fedlens
from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.experiment.experiment import Experiment
from fedlens.runs.record import RoundRecord
from fedlens.simulation.simulation import simulate
from fedlens.training.local import LocalTraining

Scheduler = lr_scheduler.LRScheduler


def rates(schedule: Any, rounds: int) -> list[float]:
    plan = LocalTraining.model_validate({"learning_rate": 0.4, "schedule": schedule})
    return [plan.in_round(round_).learning_rate for round_ in range(1, rounds + 1)]


def pytorchs(make: Any, rounds: int, warm_up: int = 0) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.4)
    after: Scheduler = make(optimizer)
    scheduler = after
    if warm_up:
        rising = lr_scheduler.LinearLR(optimizer, start_factor=1 / (warm_up + 1), total_iters=warm_up)
        scheduler = lr_scheduler.SequentialLR(optimizer, [rising, after], milestones=[warm_up])
    found = []
    for _ in range(rounds):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return found


PAIRS: list[tuple[dict[str, Any], Any]] = [
    ({"name": "constant"}, lambda optimizer: lr_scheduler.ConstantLR(optimizer, factor=1)),
    ({"name": "step", "every": 3, "decay": 0.5}, lambda optimizer: lr_scheduler.StepLR(optimizer, 3, gamma=0.5)),
    ({"name": "exponential", "decay": 0.9}, lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.9)),
    (
        {"name": "cosine", "rounds": 12, "lowest": 0.1},
        lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 12, eta_min=0.04),
    ),
]


@pytest.mark.parametrize(("schedule", "make"), PAIRS, ids=[pair[0]["name"] for pair in PAIRS])
@pytest.mark.parametrize("warm_up", [0, 1, 4])
@pytest.mark.filterwarnings("ignore:The epoch parameter")
def test_rates_are_those_of_pytorchs_schedulers(schedule: dict[str, Any], make: Any, warm_up: int) -> None:
    rounds = 12 + warm_up
    found = rates({**schedule, "warm_up": warm_up}, rounds)
    assert found == pytest.approx(pytorchs(make, rounds, warm_up), abs=1e-12)


def test_by_hand() -> None:
    assert rates("constant", 3) == [0.4, 0.4, 0.4]
    assert rates({"name": "constant", "warm_up": 3}, 5) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])
    assert rates({"name": "cosine", "rounds": 2}, 5) == pytest.approx([0.4, 0.2, 0, 0, 0])


def test_a_cosine_stays_where_it_has_come_down_to() -> None:
    found = rates({"name": "cosine", "rounds": 4, "lowest": 0.25}, 9)
    assert all(before > after for before, after in pairwise(found[:5]))
    assert found[4:] == pytest.approx([0.1] * 5)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("linear", "local.schedule: 'constant', 'step', 'exponential' or 'cosine' is needed, not 'linear'"),
        (
            "cosin",
            "local.schedule: 'constant', 'step', 'exponential' or 'cosine' is needed, not 'cosin'; "
            "e.g. -o 'local.schedule={name: cosine, rounds: 10}'",
        ),
        ("cosine", "local.schedule.rounds is required, e.g. -o 'local.schedule={name: cosine, rounds: 10}'"),
        ({"name": "step", "every": 0}, "local.schedule.every: a number greater than 0 is needed, not 0"),
    ],
)
def test_what_is_no_schedule_is_refused(schedule: object, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(LocalTraining, {"schedule": schedule}, "local")
    assert str(caught.value).startswith(words)


def test_the_default_is_in_no_identity() -> None:
    assert "schedule" not in Experiment().relevant()["local"]
    scheduled = Experiment.model_validate({"local": {"schedule": "exponential"}})
    assert scheduled.relevant()["local"]["schedule"] == "exponential"
    assert scheduled.identity() != Experiment().identity()


def test_each_round_of_a_run_is_trained_at_its_own_rate() -> None:
    """A rate of (almost) nothing from the second round on leaves the model as it is."""
    local = {"epochs": 1, "batch_size": 50, "schedule": {"name": "exponential", "decay": 1e-30}}
    experiment = small(attack=None, local=local)
    results = list(simulate(experiment, engine="serial"))
    plain = list(simulate(small(attack=None), engine="serial"))
    assert torch.equal(results[0].state.weights, plain[0].state.weights)
    assert torch.equal(results[1].state.weights, results[0].state.weights)
    assert not torch.equal(plain[1].state.weights, plain[0].state.weights)


def test_a_resumed_run_goes_on_at_the_right_rate(tmp_path: Path) -> None:
    local = {"epochs": 1, "batch_size": 50, "schedule": {"name": "cosine", "rounds": 3, "warm_up": 1}}
    experiment = small(attack=None, local=local)
    whole = fedlens.run(experiment, tmp_path / "whole", engine="serial", keep_weights=True)

    class Stop(fedlens.Callback):
        def round(self, record: RoundRecord) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fedlens.run(experiment, tmp_path / "cut", observer=Stop(), engine="serial", keep_weights=True)
    cut = fedlens.run(experiment, tmp_path / "cut", engine="serial", resume=True)
    assert cut.records == whole.records
    assert torch.equal(cut.weights(3), whole.weights(3))
