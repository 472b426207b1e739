"""The three meanings of sign flipping, by hand and by what they are elsewhere."""

from typing import Any

import pytest
import torch
from attacker import GLOBAL, deep, look
from teams import a_team, clean_accuracy, final_accuracy, sent

from fedlens.attacks.inner_product_manipulation import InnerProductManipulation
from fedlens.attacks.objective import CEILING
from fedlens.attacks.sign_flipping import SignFlipping
from fedlens.core.config import identifying
from fedlens.core.registry import describe
from fedlens.data.dataset import Samples
from fedlens.training.local import LocalTraining

PLAIN = LocalTraining(steps=1, optimizer="sgd", learning_rate=0.5, batch_size=3)


def test_the_mean_of_others_turned_round_is_inner_product_manipulation() -> None:
    others = [[1.0, 0], [3, 2]]
    flipping, team = SignFlipping(flips="mean", c=0.5), a_team([[9.0, 9], [8, 8]], others)
    assert sent(flipping, team).tolist() == [[-1, -0.5]] * 2
    assert torch.equal(sent(flipping, team), sent(InnerProductManipulation(eps=0.5), team))
    assert sent(flipping, a_team([[9.0, 9]], torch.empty(0, 2))).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("flips", "sight", "colludes"), [("own", "own", False), ("gradient", "own", False), ("mean", "all", True)]
)
def test_what_it_sees(flips: Any, sight: str, colludes: bool) -> None:
    attack = SignFlipping(flips=flips)
    assert (attack.sight, attack.omniscient, attack.colludes) == (sight, sight == "all", colludes)


def test_of_one_step_of_plain_descent_up_is_the_opposite_of_down() -> None:
    up, down = SignFlipping(flips="gradient").craft(look(local=PLAIN)), look(local=PLAIN).train()
    torch.testing.assert_close(up, -down)
    assert bool(down.any())
    torch.testing.assert_close(SignFlipping(flips="gradient", c=3).craft(look(local=PLAIN)), -3 * down)


def test_of_several_steps_it_is_the_loss_that_rises_with_every_batch() -> None:
    local = LocalTraining(epochs=1, optimizer="sgd", learning_rate=0.1, batch_size=6)
    view = deep(local=local)
    update = SignFlipping(flips="gradient").craft(view)
    assert view.log == {"steps": 4}
    assert not torch.allclose(update, -deep(local=local).train(), atol=1e-3), "gradients are taken further up"
    losses = []
    for share in (0, 0.5, 1):
        network = deep(weights=deep().weights + share * update).network
        losses.append(float(network.backward(view.shard.x, view.shard.y)))
    assert losses[0] < losses[1] < losses[2]


def test_a_batch_that_is_wrong_enough_takes_no_step() -> None:
    wrong = Samples(torch.eye(4)[:1] * 100, torch.tensor([1]))  # logits 200, 0, 0: a loss of 200 nats
    assert CEILING < 200
    update = SignFlipping(flips="gradient").craft(look(shard=wrong, local=PLAIN))
    assert torch.equal(update, torch.zeros_like(GLOBAL))


def test_at_its_default_an_identity_does_not_know_of_the_option() -> None:
    for options, told in (({}, False), ({"flips": "mean"}, True)):
        attack = SignFlipping(**options)
        assert ("flips" in identifying(attack, describe("attack", attack))) == told


@pytest.mark.parametrize("flips", ["own", "mean", "gradient"])
def test_it_damages_the_mean(flips: str) -> None:
    attack = {"name": "sign-flipping", "flips": flips, "c": 2}
    assert final_accuracy(attack, attackers={"count": 3}) < clean_accuracy() - 0.2


def test_of_one_in_six_too_little_is_lost_to_matter() -> None:
    assert final_accuracy("sign-flipping", attackers={"count": 1}) > clean_accuracy() - 0.1
