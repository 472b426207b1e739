"""Free riders: what they send, by hand, and how much of a step is left."""

import pytest
import torch
from attacker import GLOBAL, look
from teams import clean_accuracy, final_accuracy

from fedlens.attacks.estimation import Observation
from fedlens.attacks.free_rider import FreeRider
from fedlens.attacks.gaussian import noise


def seen(weights: torch.Tensor, round_: int) -> tuple[Observation, ...]:
    return (Observation(round_, 0.1, weights, torch.full_like(weights, 7)),)


def test_zero_leaves_the_others_part_of_a_step() -> None:
    update = FreeRider().craft(look())
    assert torch.equal(update, torch.zeros(15))
    honest = torch.ones(3, 15)
    assert torch.equal(torch.cat([honest, update[None]]).mean(0), torch.full((15,), 0.75)), "1 - p, with p = 1/4"


def test_delta_is_what_the_model_has_moved_by_round() -> None:
    attack = FreeRider(form="delta")
    assert (attack.memory, FreeRider().memory) == (1, 0)
    assert torch.equal(attack.craft(look(round=3)), torch.zeros(15)), "in its first round"
    moved = attack.craft(look(round=4, history=seen(GLOBAL - 6, 1)))
    assert torch.equal(moved, torch.full((15,), 2.0)), "6 in three rounds, whatever it sent itself"
    assert torch.equal(FreeRider().craft(look(round=4, history=seen(GLOBAL - 6, 1))), torch.zeros(15))


@pytest.mark.parametrize(("round_", "decay", "sigma"), [(1, 1, 0.5), (4, 1, 0.125), (4, 0.5, 0.25), (9, 0, 0.5)])
def test_noise_decays(round_: int, decay: float, sigma: float) -> None:
    view = look(round=round_)
    update = FreeRider(sigma=0.5, decay=decay).craft(view)
    torch.testing.assert_close(update, noise(15, sigma, view.address.at("gaussian")))
    assert view.log == {"sigma": pytest.approx(sigma)}
    assert float(update.std()) == pytest.approx(sigma, rel=0.6)
    both = FreeRider(form="delta", sigma=0.5, decay=decay)
    moved = both.craft(look(round=round_ + 1, history=seen(GLOBAL - 1, round_)))
    assert float(moved.mean()) == pytest.approx(1, abs=0.5)


def test_it_slows_training_down_and_does_not_destroy_it() -> None:
    one = {"rounds": 1}
    assert final_accuracy("free-rider", attackers={"count": 4}, **one) < clean_accuracy(**one) - 0.03
    assert final_accuracy("free-rider") > clean_accuracy() - 0.05
