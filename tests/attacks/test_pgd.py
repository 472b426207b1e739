from typing import Any

import pytest
import torch
from attacker import cloud, deep, poisoned
from hypothesis import given
from hypothesis import strategies as st
from oracle import Plain, descend
from planting import after, is_planted, rate

from fedlens.attacks.model_replacement import ModelReplacement
from fedlens.attacks.pgd import Pgd, projected
from fedlens.core.errors import ConfigError
from fedlens.training.local import LocalTraining, batches

PLAN = LocalTraining(epochs=3, batch_size=6, optimizer="sgd", learning_rate=0.1)


def test_projections_by_hand() -> None:
    update = torch.tensor([3.0, 4.0])
    assert projected(update, 1, "l2").tolist() == pytest.approx([0.6, 0.8])
    assert projected(update, 1, "linf").tolist() == [1, 1]
    assert projected(-update, 3.5, "linf").tolist() == [-3, -3.5]
    assert projected(update, 5, "l2") is update, "not a bit is changed of what is within the ball"
    assert torch.equal(projected(update, 4, "linf"), update)
    assert update.tolist() == [3, 4]


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_projections_of_any_scale(scale: float) -> None:
    """The square of either extreme is none that 32 bits can hold."""
    update = torch.tensor([3.0, 4.0]) * scale
    torch.testing.assert_close(projected(update, scale, "l2") / scale, torch.tensor([0.6, 0.8]))
    assert not projected(torch.zeros(2), scale, "l2").any()


@given(st.integers(0, 2**30), st.floats(0.01, 10), st.sampled_from(["l2", "linf"]))
def test_a_projection_is_in_the_ball_and_stays_there(seed: int, radius: float, norm: Any) -> None:
    once = projected(cloud(7, seed=seed), radius, norm)
    length = float(once.norm(float("inf") if norm == "linf" else 2))
    assert length <= radius * (1 + 1e-12)
    torch.testing.assert_close(projected(once, radius, norm), once, rtol=1e-12, atol=0)


def looped(attack: Pgd, radius: float) -> torch.Tensor:
    """As anyone would write it, with the ball's projection by `torch.renorm` and `max`."""
    view = poisoned(attack, deep(local=PLAN))
    plain = Plain(view.weights)
    optimizer = plain.optimizer(PLAN)
    every = list(batches(view.shard, PLAN, view.address))
    for number, batch in enumerate(every, 1):
        descend(optimizer, plain.loss(batch.x, batch.y))
        if number % attack.every == 0 or number == len(every):
            moved = plain.vector - view.weights
            if attack.norm == "l2":
                moved = torch.renorm(moved[None], 2, 0, radius)[0]
            else:
                moved = moved.minimum(moved.new_tensor(radius)).maximum(moved.new_tensor(-radius))
            torch.nn.utils.vector_to_parameters(view.weights + moved, plain.module.parameters())
    return plain.vector - view.weights


@pytest.mark.parametrize(("norm", "radius"), [("l2", 0.3), ("linf", 0.03)])
@pytest.mark.parametrize("every", [1, 5, 100])
def test_the_update_is_that_of_the_plain_loop(norm: Any, radius: float, every: int) -> None:
    attack = Pgd(radius=radius, norm=norm, every=every, data_rep=2)
    update = attack.craft(poisoned(attack, deep(local=PLAN)))
    torch.testing.assert_close(update, looped(attack, radius), rtol=1e-5, atol=1e-8)  # renorm adds 1e-7
    length = float(update.norm() if norm == "l2" else update.abs().max())
    assert length == pytest.approx(radius)


def test_how_often_it_projects_matters() -> None:
    sent = [
        attack.craft(poisoned(attack, deep(local=PLAN)))
        for attack in (Pgd(radius=0.3, every=every, data_rep=2) for every in (1, 100))
    ]
    assert float((sent[0] - sent[1]).norm()) > 1e-3


def test_in_a_wide_ball_it_is_model_replacement_unboosted() -> None:
    attack, same = Pgd(radius=1e6), ModelReplacement(boost=1)
    sent, expected = attack.craft(poisoned(attack, deep())), same.craft(poisoned(same, deep()))
    torch.testing.assert_close(sent, expected, rtol=0, atol=1e-12)


def test_what_is_boosted_is_in_the_ball() -> None:
    view, attack = deep(local=PLAN), Pgd(radius=0.3, boost="auto")
    assert float(attack.craft(poisoned(attack, view)).norm()) == pytest.approx(0.3 * 5)
    assert view.log["boost"] == 5


@pytest.mark.parametrize("options", [{"radius": 0}, {"norm": "l1"}, {"every": 0}])
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        Pgd(**options)


def test_boosted_in_a_wide_ball_it_plants_the_trigger_and_in_a_narrow_one_not() -> None:
    assert is_planted(after(Pgd(boost="auto", radius=5)))
    assert rate(after(Pgd(boost="auto", radius=0.1))) < 0.2


def test_it_passes_a_server_that_clips_at_its_radius() -> None:
    record = after(Pgd(radius=0.7), record=["norms"])
    [attacker] = record.attackers
    assert attacker.measure("norm") == pytest.approx(0.7, rel=1e-5)
