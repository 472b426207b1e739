import pytest
import torch
from attacker import ADDRESS, GLOBAL, after_the_round, biases, deep, linear, look, result
from oracle import explicit
from torch import Tensor
from torch.nn import functional

from fedlens.attacks.attack import View
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.core.errors import ConfigError
from fedlens.core.registry import build
from fedlens.training.local import LocalTraining


def plain_minimum(view: View, steps: int, *, skip: bool = True) -> Tensor:
    """Weights after so many steps of a loop that anyone would write on the auxiliary samples."""
    return view.weights + explicit(view, steps, linear, skip=skip)


def loss_at(weights: Tensor, view: View) -> float:
    logits = view.auxiliary.x @ weights[:12].view(3, 4).T + weights[12:]
    return float(functional.cross_entropy(logits, view.auxiliary.target))


# The plain loop


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("weights_only", [False, True])
def test_the_update_is_that_of_the_plain_loop(optimizer: str, weights_only: bool) -> None:
    local = LocalTraining.model_validate({"optimizer": optimizer, "learning_rate": 0.05})
    view = deep(local=local)
    update = ExplicitBoosting(epochs=30, threshold=None, weights_only=weights_only).craft(view)
    expected = explicit(view, 30)
    assert expected.abs().min() > 0
    boost = torch.where(biases(view), 1.0, 5.0) if weights_only else 5
    torch.testing.assert_close(update, boost * expected, rtol=0, atol=1e-11)


def test_weights_only_is_an_option_of_the_attack() -> None:
    plain = ExplicitBoosting(boost=1).craft(look())
    whole = ExplicitBoosting(boost=8).craft(look())
    part = ExplicitBoosting(boost=8, weights_only=True).craft(look())
    assert plain[12:].abs().min() > 0.1
    assert torch.equal(whole, 8 * plain)
    assert torch.equal(part, torch.cat([8 * plain[:12], plain[12:]]))


# Steps


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("epochs", [1, 5, 12])
def test_without_a_threshold_there_are_as_many_steps_as_epochs(epochs: int, optimizer: str) -> None:
    view = look(local=LocalTraining.model_validate({"optimizer": optimizer, "learning_rate": 0.1}))
    update = ExplicitBoosting(epochs=epochs, threshold=None).craft(view)
    minimum = plain_minimum(view, epochs)
    torch.testing.assert_close(update, 10 * (minimum - GLOBAL), rtol=1e-5, atol=1e-5)
    assert view.log["steps"] == epochs
    assert view.log["boost"] == 10
    assert view.log["loss"] == pytest.approx(loss_at(minimum, view), rel=1e-4)


def test_the_first_step_by_hand() -> None:
    view = look(local=LocalTraining(optimizer="sgd", learning_rate=1), weights=torch.zeros(15))
    update = ExplicitBoosting(epochs=1, threshold=None, boost=3).craft(view)
    # All classes have probability ⅓: the logits' derivatives are ⅓, −⅔, ⅓, and only input 0 is 1.
    assert update.tolist() == pytest.approx([-1, 0, 0, 0, 2, 0, 0, 0, -1, 0, 0, 0, -1, 2, -1])


@pytest.mark.parametrize(("epochs", "check_every"), [(5, 10), (3, 7), (5, 1)])
def test_steps_go_on_until_the_loss_is_below_the_threshold(epochs: int, check_every: int) -> None:
    view, threshold = look(), 0.01
    attack = ExplicitBoosting(epochs=epochs, check_every=check_every, threshold=threshold)
    update = attack.craft(view)
    steps = int(view.log["steps"])
    assert steps > epochs
    assert (steps - epochs) % check_every == 0
    assert loss_at(plain_minimum(view, steps), view) < threshold
    assert loss_at(plain_minimum(view, steps - check_every), view) >= threshold
    # One optimizer throughout: it does not start anew after a test.
    torch.testing.assert_close(update, 10 * (plain_minimum(view, steps) - GLOBAL), rtol=1e-4, atol=1e-4)


def test_all_epochs_are_run_although_the_loss_is_below_the_threshold() -> None:
    view = look()
    ExplicitBoosting(epochs=20, check_every=1, threshold=3).craft(view)
    assert loss_at(GLOBAL, view) < 3
    assert view.log["steps"] == 20


def test_the_papers_threshold_is_tested_every_hundred_steps() -> None:
    view = look(local=LocalTraining(learning_rate=0.5))
    ExplicitBoosting().craft(view)
    assert view.log["steps"] in {105, 205, 305, 405}
    assert 0 < view.log["loss"] < 1e-6


@pytest.mark.parametrize(("cap", "check_every"), [(37, 10), (37, 100), (25, 10), (6, 1)])
def test_steps_end_at_the_cap(cap: int, check_every: int) -> None:
    view = look(local=LocalTraining(learning_rate=1e-4))
    update = ExplicitBoosting(step_cap=cap, check_every=check_every).craft(view)
    assert view.log["steps"] == cap
    assert view.log["loss"] > 1
    torch.testing.assert_close(update, 10 * (plain_minimum(view, cap) - GLOBAL), rtol=1e-3, atol=1e-5)


def test_a_step_at_exactly_zero_loss_is_skipped() -> None:
    far = LocalTraining(learning_rate=1_000)  # one step takes the loss to exactly 0, but leaves Adam its momentum
    first = ExplicitBoosting(epochs=1, threshold=None).craft(look(local=far))
    view = look(local=far)
    sixth = ExplicitBoosting(epochs=6, threshold=None).craft(view)
    assert view.log["loss"] == 0
    assert torch.equal(first, sixth)
    unskipped = 10 * (plain_minimum(view, 6, skip=False) - GLOBAL)
    assert (unskipped - sixth).abs().max() > 1_000


def test_nothing_is_sent_when_the_loss_is_zero_from_the_start() -> None:
    certain = GLOBAL.clone()
    certain[4] = 500
    view = look(weights=certain)
    assert not ExplicitBoosting().craft(view).any()
    assert view.log["loss"] == 0


def test_the_attack_trains_with_dropout_and_tests_without() -> None:
    attack = ExplicitBoosting(epochs=30, threshold=None, boost=1)
    view = look(dropout=0.5)
    update = attack.craft(view)
    assert view.log["loss"] == pytest.approx(loss_at(GLOBAL + update, view), rel=1e-4)
    assert torch.equal(attack.craft(look(dropout=0.5)), update)
    assert not torch.equal(attack.craft(look(dropout=0.5, address=ADDRESS.at("other"))), update)
    assert not torch.equal(attack.craft(look()), update)


def test_what_the_attacker_was_given_stays_as_it_is() -> None:
    view, fresh = look(), look()
    ExplicitBoosting().craft(view)
    assert torch.equal(view.weights, GLOBAL)
    assert torch.equal(view.auxiliary.x, fresh.auxiliary.x)
    assert torch.equal(view.shard.x, fresh.shard.x)
    assert not view.network.module.training


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": 50, "step_cap": 20}, r"step_cap: 20 is less than the 50 epochs"),
        ({"threshold": 0}, r"attack\.threshold"),
        ({"check_every": 0}, r"attack\.check_every"),
        ({"ls": 10}, r"attack\.ls: unknown option"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build("attack", {"name": "explicit-boosting", **options}, ExplicitBoosting)


# Effect


@pytest.mark.parametrize("alpha", [0.1, 0.25, 0.037])
def test_the_global_model_is_the_attackers_when_the_others_send_zeros(alpha: float) -> None:
    view = look(alpha=alpha)
    update = ExplicitBoosting(epochs=20, threshold=None).craft(view)
    torch.testing.assert_close(after_the_round(view, update), plain_minimum(view, 20), rtol=1e-5, atol=1e-5)


def test_a_boost_other_than_one_over_alpha_overshoots_by_their_product() -> None:
    view = look(alpha=0.25)
    update = ExplicitBoosting(epochs=20, threshold=None, boost=12).craft(view)
    moved = after_the_round(view, update) - GLOBAL
    torch.testing.assert_close(moved, 3 * (plain_minimum(view, 20) - GLOBAL), rtol=1e-5, atol=1e-5)


def test_the_attack_succeeds_when_boosted_and_fails_when_not() -> None:
    view = look()
    before = result(view, GLOBAL)
    assert before.predicted == [0]
    strong = result(view, after_the_round(view, ExplicitBoosting().craft(look())))
    assert strong.success
    assert strong.confidence[0] > 0.999
    # A tenth of the same displacement, lost among nine honest clients.
    weak = result(view, after_the_round(view, ExplicitBoosting(boost=1).craft(look())))
    assert not weak.success
    assert before.confidence[0] < weak.confidence[0] < 0.5 < strong.confidence[0]


def test_three_samples_at_once() -> None:
    wanted = {0: 1, 1: 2, 2: 0}
    view = look(wanted)
    assert result(view, GLOBAL).predicted == [0, 1, 2]
    update = ExplicitBoosting().craft(look(wanted))
    found = result(view, after_the_round(view, update))
    assert found.predicted == [1, 2, 0]
    assert (found.met, found.success) == (3, True)
    assert min(found.confidence) > 0.999
    weak = result(view, after_the_round(view, ExplicitBoosting(boost=1).craft(look(wanted))))
    assert not weak.success
