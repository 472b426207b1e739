from math import log

import pytest
import torch
from attacker import BRIEF, EFFECTIVE, MALICIOUS, ROW, TARGETED, UNBOOSTED, look
from torch import Tensor

from fedlens.attacks.attack import Attack
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.core.errors import ConfigError
from fedlens.core.registry import build
from fedlens.experiment.setting import Setting
from fedlens.simulation.engines.context import WorkerContext
from fedlens.simulation.engines.jobs import HonestJob, MaliciousJob


@pytest.mark.parametrize(("delay", "round_", "reason"), [(0, 1, None), (1, 1, None), (3, 2, "delay"), (3, 3, None)])
def test_delay(delay: int, round_: int, reason: str | None) -> None:
    assert ExplicitBoosting(delay=delay).waits(look(round=round_)) == reason


def with_confidence(*confidences: float) -> Tensor:
    """Weights that give class 1 these probabilities at inputs 0, 1, ..., and the other two classes the same each."""
    weights = torch.zeros(15)
    for place, confidence in enumerate(confidences):
        weights[4 + place] = log(2 * confidence / (1 - confidence))
    return weights


@pytest.mark.parametrize(
    ("hold_off", "confidences", "reason"),
    [
        (None, (0.99, 0.99), None),
        (0.8, (0.81, 0.9), "hold-off"),
        (0.8, (0.79, 0.9), None),
        (0.8, (0.9, 0.79), None),
        (0.1, (0.2, 0.2), "hold-off"),
        (1, (0.999, 0.999), None),
        (1, (1 - 1e-15, 1 - 1e-15), "hold-off"),
    ],
)
def test_hold_off(hold_off: float | None, confidences: tuple[float, float], reason: str | None) -> None:
    view = look({0: 1, 2: 1}, weights=with_confidence(confidences[0], 0.5, confidences[1]))
    assert ExplicitBoosting(hold_off=hold_off).waits(view) == reason


def test_just_the_confidence_is_enough_to_hold_off() -> None:
    view = look(weights=with_confidence(0.75))
    reached = float(view.wanted().exp())
    assert reached == pytest.approx(0.75)
    assert ExplicitBoosting(hold_off=reached).waits(view) == "hold-off"
    assert ExplicitBoosting(hold_off=reached + 1e-6).waits(view) is None


@pytest.mark.parametrize(("round_", "reason"), [(1, "delay"), (2, None), (3, None), (4, "until"), (9, "until")])
def test_the_window_is_from_delay_to_until(round_: int, reason: str | None) -> None:
    assert ExplicitBoosting(delay=2, until=4).waits(look(round=round_)) == reason


@pytest.mark.parametrize("options", [{"until": 1}, {"until": 3, "delay": 3}, {"until": 3, "delay": 4}])
def test_a_window_without_a_round(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="until: no round is before"):
        ExplicitBoosting(**options)


def test_delay_comes_before_hold_off() -> None:
    view = look(weights=with_confidence(0.9), round=2)
    assert ExplicitBoosting(delay=3, hold_off=0.5).waits(view) == "delay"
    assert ExplicitBoosting(delay=2, hold_off=0.5).waits(view) == "hold-off"


def test_whether_it_waits_does_not_change_what_it_sends() -> None:
    plain, holding = look(dropout=0.5), look(dropout=0.5)
    attack = ExplicitBoosting(hold_off=0.9, step_cap=50)
    assert attack.waits(holding) is None
    assert torch.equal(attack.craft(holding), attack.craft(plain))


# Every attack


def turn(
    context: WorkerContext, setting: Setting, round_: int, options: dict[str, object]
) -> tuple[dict[str, object], Tensor]:
    """What the malicious client tells and sends in a round."""
    attack, auxiliary = build("attack", options, Attack), setting.auxiliary
    assert isinstance(attack, Attack)
    assert auxiliary is not None
    told = MaliciousJob(round_, MALICIOUS, ROW, 1, attack, 0.25, auxiliary, ()).run(context)
    return told, context.shared.updates[ROW].clone()


@pytest.mark.parametrize("name", TARGETED)
@pytest.mark.parametrize(("reason", "wait"), [("delay", {"delay": 3}), ("hold-off", {"hold_off": 1e-9})])
def test_whoever_waits_sends_what_an_honest_client_would(
    context: WorkerContext, setting: Setting, name: str, reason: str, wait: dict[str, float]
) -> None:
    told, sent = turn(context, setting, 2, {"name": name, **BRIEF.get(name, {}), **wait})
    assert told == {"acted": False, "reason": reason, "alpha": 0.25}
    HonestJob(2, MALICIOUS, ROW, 1).run(context)
    assert torch.equal(sent, context.shared.updates[ROW])
    assert sent.any()


@pytest.mark.parametrize("name", EFFECTIVE)
def test_every_attack_acts_from_the_round_of_its_delay(context: WorkerContext, setting: Setting, name: str) -> None:
    HonestJob(3, MALICIOUS, ROW, 1).run(context)
    honest = context.shared.updates[ROW].clone()
    told, sent = turn(context, setting, 3, {"name": name, **BRIEF.get(name, {}), "delay": 3, "hold_off": 1})
    assert (told["acted"], told["reason"]) == (True, None)
    assert told["boost"] == (1 if name in UNBOOSTED else 4)
    assert not torch.allclose(sent, honest, atol=1e-4)


@pytest.mark.parametrize("name", TARGETED)
@pytest.mark.parametrize("options", [{"delay": -1}, {"delay": 1.5}, {"hold_off": 0}, {"hold_off": 1.01}])
def test_impossible_waiting_is_refused(name: str, options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        build("attack", {"name": name, **options}, Attack)
