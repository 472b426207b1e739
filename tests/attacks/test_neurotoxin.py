from dataclasses import replace
from typing import Any

import pytest
import torch
from attacker import SIZE, cloud, deep, poisoned
from oracle import Plain, descend
from planting import learnt, played, rate
from torch import Tensor

from fedlens.attacks.attack import View
from fedlens.attacks.estimation import Observation
from fedlens.attacks.model_replacement import ModelReplacement
from fedlens.attacks.neurotoxin import Neurotoxin, mask_of
from fedlens.core.errors import ConfigError
from fedlens.training.local import LocalTraining, batches

PLAN = LocalTraining(epochs=3, batch_size=6, optimizer="sgd", learning_rate=0.1)
STEP = cloud(SIZE, seed=6) / 10


def having_seen(step: Tensor, **changes: Any) -> View:
    """A client that received the weights before this step in the round before."""
    view = deep(local=PLAN, **changes)
    last = Observation(view.round - 1, view.alpha, view.received - step, cloud(SIZE, seed=7))
    return replace(view, history=(last,))


def crafted(attack: Neurotoxin, view: View) -> Tensor:
    return attack.craft(poisoned(attack, view))


@pytest.mark.parametrize(
    ("step", "top", "mask"),
    [
        ((3, -1, 0.5, -4), 0.5, (0, 1, 1, 0)),  # by magnitude, not by sign
        ((3, -1, 0.5, -4), 0.25, (1, 1, 1, 0)),
        ((3, -1, 0.5, -4), 0.1, (1, 1, 1, 1)),  # 0.4 of an entry
        ((2, -2, 2, 1), 0.5, (0, 0, 1, 1)),
        ((1e-30, -3e-30, 0, 2e-30), 0.5, (1, 0, 1, 0)),
    ],
)
def test_masks_by_hand(step: tuple[float, ...], top: float, mask: tuple[int, ...]) -> None:
    assert mask_of(torch.tensor(step), top).int().tolist() == list(mask)


def test_of_many_equals_the_first_are_left_alone() -> None:
    assert mask_of(torch.ones(1000), 0.3).nonzero()[:, 0].tolist() == list(range(300, 1000))


def test_the_update_is_that_of_the_plain_loop() -> None:
    attack, free = Neurotoxin(top=0.3, data_rep=2), mask_of(STEP, 0.3)
    view = poisoned(attack, having_seen(STEP))
    plain = Plain(view.weights)
    optimizer = plain.optimizer(PLAN)
    for batch in batches(view.shard, PLAN, view.address):
        before = plain.vector
        descend(optimizer, plain.loss(batch.x, batch.y))
        torch.nn.utils.vector_to_parameters(torch.where(free, plain.vector, before), plain.module.parameters())
    update = crafted(attack, having_seen(STEP))
    torch.testing.assert_close(update, plain.vector - view.weights, rtol=0, atol=1e-11)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", {"name": "sgd", "momentum": 0.9}])
def test_nothing_moves_where_the_last_step_was_largest(optimizer: Any) -> None:
    plan = LocalTraining.model_validate({**PLAN.model_dump(), "optimizer": optimizer})
    update = crafted(Neurotoxin(top=0.3), replace(having_seen(STEP), local=plan))
    free = STEP.abs() < STEP.abs().sort(descending=True).values[round(0.3 * SIZE) - 1]
    assert int((~free).sum()) == round(0.3 * SIZE)
    assert not update[~free].any()
    assert bool(update[free].all())


def test_how_much_is_masked_is_logged_and_matters() -> None:
    sent = {}
    for top in (0.1, 0.5):
        view = having_seen(STEP)
        sent[top] = crafted(Neurotoxin(top=top), view)
        assert view.log["masked"] == round(top * SIZE)
    assert float((sent[0.1] - sent[0.5]).norm()) > 1e-3


@pytest.mark.parametrize("view", [deep(local=PLAN), having_seen(torch.zeros(SIZE, dtype=torch.float64))])
def test_with_nothing_to_go_by_it_is_poisoning_alone(view: View) -> None:
    attack, same = Neurotoxin(), ModelReplacement(boost=1)
    assert torch.equal(crafted(attack, view), same.craft(poisoned(same, deep(local=PLAN))))
    assert view.log["masked"] == 0


def test_it_looks_at_the_round_in_which_it_last_took_part() -> None:
    assert Neurotoxin().memory == 1
    one, other = (crafted(Neurotoxin(top=0.3), having_seen(step)) for step in (STEP, STEP.flip(0)))
    assert float((one - other).norm()) > 1e-3


def test_it_stays_in_its_ball_outside_the_mask() -> None:
    update = crafted(Neurotoxin(top=0.3, radius=0.2), having_seen(STEP))
    assert float(update.norm()) == pytest.approx(0.2)
    assert not update[~mask_of(STEP, 0.3)].any()


@pytest.mark.parametrize("options", [{"top": 0}, {"top": 1}, {"radius": 0}])
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        Neurotoxin(**options)  # type: ignore[arg-type]


def test_boosted_it_plants_the_trigger_and_where_nearly_all_is_masked_it_does_not() -> None:
    """The first round is without a mask, so it waits for the second."""
    ours, masked = (played(Neurotoxin(boost="auto", top=top, delay=5), 2, learnt())[-1].record for top in (0.05, 0.999))
    assert rate(ours) > 0.8
    assert ours.quality.accuracy > 0.6
    assert rate(masked) < 0.3
