import pytest
import torch
from attacker import SIZE, after_the_round, cloud, deep, look, result
from oracle import Plain, implicit
from torch import Tensor

from fedlens.attacks.attack import View
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.attacks.implicit_boosting import ImplicitBoosting
from fedlens.attacks.objective import Targeted
from fedlens.core.errors import ConfigError
from fedlens.core.registry import build
from fedlens.training.local import LocalTraining

SGD = LocalTraining(optimizer="sgd", learning_rate=2)


def loss_at(weights: Tensor, view: View) -> float:
    return float(Plain(weights).loss(view.auxiliary.x, view.auxiliary.target).detach())


# The gradient


@pytest.mark.parametrize("alpha", [0.1, 0.25, 1.0])
def test_the_gradient_is_that_of_the_loss_through_the_averaging(alpha: float) -> None:
    view, update = deep(), cloud(SIZE, seed=4)
    view.network.load(view.weights + alpha * update)
    assert Targeted(view).backward(alpha)
    gradient = view.network.gradient
    step = 1e-5
    for entry in range(SIZE):
        shift = torch.zeros_like(update)
        shift[entry] = step
        above = loss_at(view.weights + alpha * (update + shift), view)
        below = loss_at(view.weights + alpha * (update - shift), view)
        assert float(gradient[entry]) == pytest.approx((above - below) / (2 * step), abs=1e-8)
    assert gradient.abs().max() > 0.01 * alpha


def test_the_gradient_is_alpha_times_that_of_the_weights() -> None:
    view = deep()
    Targeted(view).backward(0.2)
    plain = Plain(view.weights)
    plain.loss(view.auxiliary.x, view.auxiliary.target).backward()
    gradient = torch.cat([parameter.grad.reshape(-1) for parameter in plain.module.parameters()])
    torch.testing.assert_close(view.network.gradient, 0.2 * gradient, rtol=0, atol=1e-15)


def test_the_first_step_by_hand() -> None:
    view = look(local=LocalTraining(optimizer="sgd", learning_rate=1), weights=torch.zeros(15))
    update = ImplicitBoosting(epochs=1, threshold=None).craft(view)
    # All classes have probability ⅓: the logits' derivatives are ⅓, −⅔, ⅓, and the averaging takes a tenth of them.
    found = [3 * 10 * entry for entry in update.tolist()]
    assert found == pytest.approx([-1, 0, 0, 0, 2, 0, 0, 0, -1, 0, 0, 0, -1, 2, -1])


def test_a_large_factor_does_not_round_steps_away() -> None:
    """In float32, where a step of 1e-7 on a weight of 2.5 would be lost."""
    view = look(local=LocalTraining(learning_rate=1e-3), weights=torch.full((15,), 2.5), alpha=1e-4)
    assert view.weights.dtype == torch.float32
    update = ImplicitBoosting(epochs=100, threshold=None).craft(view)
    bias = update[-3:]  # Adam moves by the learning rate where the gradient keeps its sign
    torch.testing.assert_close(bias.abs(), torch.full((3,), 0.1), rtol=0.02, atol=0)


# The plain loop


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize(("boost", "factor"), [("auto", 5), (2, 2)])
def test_the_update_is_that_of_the_plain_loop(optimizer: str, boost: object, factor: float) -> None:
    view = deep(local=LocalTraining.model_validate({"optimizer": optimizer, "learning_rate": 0.1}))
    update = ImplicitBoosting.model_validate({"epochs": 30, "threshold": None, "boost": boost}).craft(view)
    expected = implicit(view, 30, factor)
    torch.testing.assert_close(update, expected, rtol=0, atol=1e-10)
    assert view.log["steps"] == 30
    assert view.log["boost"] == factor
    assert view.log["loss"] == pytest.approx(loss_at(view.weights + expected / factor, view), rel=1e-9)


def test_gradient_descent_at_lambda_squared_times_the_rate_is_explicit_boosting() -> None:
    """One λ makes up for the chain rule and one for the averaging."""
    plain, view = deep(local=SGD), deep(local=SGD.model_copy(update={"learning_rate": 2 * 25}))
    expected = ExplicitBoosting(epochs=20, threshold=None).craft(plain)
    torch.testing.assert_close(ImplicitBoosting(epochs=20, threshold=None).craft(view), expected)


# How long


def test_steps_go_on_until_the_global_models_loss_is_below_the_threshold() -> None:
    view = deep(local=LocalTraining(learning_rate=0.1))
    update = ImplicitBoosting(epochs=5, check_every=10, threshold=0.01).craft(view)
    steps = int(view.log["steps"])
    assert steps > 5
    assert (steps - 5) % 10 == 0
    assert loss_at(view.weights + implicit(view, steps, 5) / 5, view) < 0.01
    assert loss_at(view.weights + implicit(view, steps - 10, 5) / 5, view) >= 0.01
    torch.testing.assert_close(update, implicit(view, steps, 5), rtol=0, atol=1e-9)


def test_it_needs_more_steps_than_explicit_boosting_where_the_optimizer_ignores_the_gradients_scale() -> None:
    slow, fast = deep(), deep()
    ImplicitBoosting(check_every=1, threshold=0.1).craft(slow)
    ExplicitBoosting(check_every=1, threshold=0.1).craft(fast)
    assert slow.log["steps"] > 3 * fast.log["steps"]


def test_steps_end_at_the_cap() -> None:
    view = deep(local=LocalTraining(learning_rate=1e-4))
    ImplicitBoosting(step_cap=37, check_every=10).craft(view)
    assert view.log["steps"] == 37
    assert view.log["loss"] > 0.1


def test_a_step_at_exactly_zero_loss_is_skipped() -> None:
    far = LocalTraining(learning_rate=1_000)
    first = ImplicitBoosting(epochs=1, threshold=None).craft(look(local=far))
    view = look(local=far)
    assert torch.equal(ImplicitBoosting(epochs=6, threshold=None).craft(view), first)
    assert view.log["loss"] == 0


@pytest.mark.parametrize(("options", "words"), [({"epochs": 50, "step_cap": 20}, "step_cap"), ({"rho": 1}, "rho")])
def test_impossible_options_are_refused(options: dict[str, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build("attack", {"name": "implicit-boosting", **options}, ImplicitBoosting)


# Effect


@pytest.mark.parametrize("alpha", [0.1, 0.25, 0.037])
def test_the_global_model_is_the_attackers_when_the_others_send_zeros(alpha: float) -> None:
    view = deep(alpha=alpha, local=LocalTraining(learning_rate=0.1))
    update = ImplicitBoosting(epochs=100, threshold=None).craft(view)
    reached = after_the_round(view, update)
    torch.testing.assert_close(reached, view.weights + alpha * implicit(view, 100, 1 / alpha), rtol=0, atol=1e-10)
    assert loss_at(reached, view) == pytest.approx(view.log["loss"], rel=1e-6)
    assert loss_at(reached, view) < loss_at(view.weights, view) / 2


def test_the_attack_succeeds_with_steps_enough_and_fails_with_few() -> None:
    view = look()
    assert result(view, after_the_round(view, ImplicitBoosting().craft(look()))).confidence[0] > 0.99
    assert not result(view, after_the_round(view, ImplicitBoosting(step_cap=10).craft(look()))).success


def test_what_the_attacker_was_given_stays_as_it_is() -> None:
    view, fresh = look(dropout=0.5), look()
    update = ImplicitBoosting(step_cap=20).craft(view)
    assert torch.equal(view.weights, fresh.weights)
    assert torch.equal(view.received, fresh.received)
    assert not view.network.module.training
    assert torch.equal(ImplicitBoosting(step_cap=20).craft(look(dropout=0.5)), update)
