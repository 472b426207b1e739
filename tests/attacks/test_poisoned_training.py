"""The loop of attacks that steer local training."""

import pytest
import torch
from attacker import deep, poisoned
from oracle import poisoning

from fedlens.attacks.alternating_minimisation import AlternatingMinimisation
from fedlens.attacks.attack import Attack
from fedlens.attacks.chameleon import Chameleon
from fedlens.attacks.model_replacement import ModelReplacement
from fedlens.attacks.poisoned_training import Steering, steered
from fedlens.attacks.sign_flipping import SignFlipping
from fedlens.training.local import LocalTraining, train

PLAN = LocalTraining(epochs=3, batch_size=6, optimizer="sgd", learning_rate=0.1)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", {"name": "sgd", "momentum": 0.5, "weight_decay": 0.1}])
def test_without_steering_it_is_honest_training_bit_for_bit(optimizer: object) -> None:
    view, plan = deep(), LocalTraining.model_validate({**PLAN.model_dump(), "optimizer": optimizer})
    given = view.network, view.weights, view.shard, plan, view.address
    assert torch.equal(steered(*given), train(*given))


@pytest.mark.parametrize(
    "attack",
    [
        ModelReplacement(),
        Chameleon(encoder_epochs=1),
        SignFlipping(flips="gradient"),
        AlternatingMinimisation(epochs=1, ls=2),
        AlternatingMinimisation(epochs=1, ls=2, constraint={"reference": "self"}),
    ],
    ids=str,
)
def test_whoever_trains_begins_where_the_view_does_wherever_the_network_is(attack: Attack) -> None:
    view = deep(local=PLAN)
    first = attack.craft(view)
    assert not torch.equal(view.network.vector.detach(), view.weights)
    assert torch.equal(attack.craft(view), first)


def test_the_gradient_is_changed_before_each_step_and_weights_after_it() -> None:
    view, steps = deep(), list[int]()

    def gradient() -> None:
        view.network.gradient.fill_(2)

    def weights(number: int) -> None:
        steps.append(number)
        view.network.vector.data.add_(1)

    update = steered(view.network, view.weights, view.shard, PLAN, view.address, steering=Steering(gradient, weights))
    assert steps == list(range(1, 13))  # three times 6, 6, 6 and 2 of 20 samples
    torch.testing.assert_close(update, torch.full_like(update, 12 * (1 - 0.1 * 2)))


def test_what_the_gradient_was_is_there_to_be_changed() -> None:
    view, seen = deep(), list[torch.Tensor]()
    steered(
        view.network, view.weights, view.shard, PLAN, view.address,
        steering=Steering(gradient=lambda: seen.append(view.network.gradient.clone())),
    )  # fmt: skip
    assert len(seen) == 12
    assert all(bool(gradient.any()) for gradient in seen)


def test_epochs_and_rate_of_its_own_are_those_of_the_plain_loop() -> None:
    view = deep(local=PLAN)
    attack = ModelReplacement(epochs=5, learning_rate=0.02, data_rep=2, boost=3)
    update = attack.craft(poisoned(attack, view))
    own = deep(local=PLAN.model_copy(update={"epochs": 5, "learning_rate": 0.02}))
    torch.testing.assert_close(update, 3 * poisoning(own, 2), rtol=0, atol=1e-11)
    assert view.log == {"steps": 5 * 4, "boost": 3}  # 24 samples


def test_by_default_it_trains_as_honest_clients_do() -> None:
    view, attack = deep(local=PLAN), ModelReplacement(data_rep=2, boost=1)
    torch.testing.assert_close(attack.craft(poisoned(attack, view)), poisoning(deep(local=PLAN), 2), rtol=0, atol=1e-11)


def test_where_steps_are_fixed_epochs_are_instead_of_them() -> None:
    view, attack = deep(local=LocalTraining(steps=3, batch_size=6)), ModelReplacement(epochs=2, data_rep=2)
    attack.craft(poisoned(attack, view))
    assert view.log["steps"] == 8
