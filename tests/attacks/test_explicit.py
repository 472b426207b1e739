from collections.abc import Callable
from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from fedlens.aggregation.mean import Mean
from fedlens.aggregation.rule import Received
from fedlens.attacks.attack import Attack, Auxiliary, View
from fedlens.attacks.boosting import boosted
from fedlens.attacks.explicit import ExplicitBoosting
from fedlens.data.dataset import Samples
from fedlens.federation.evaluate import Success, success
from fedlens.federation.local import LocalTraining
from fedlens.models.dropout import Dropout
from fedlens.models.network import Network
from fedlens.random import Address
from fedlens.vector import Layout

ADDRESS = Address.root(9).at("client", 1, 9)
SLICES = Layout.of(nn.Linear(2, 1))
GLOBAL = torch.tensor([2.0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0])
"""Weights of a linear model of four inputs and three classes that sees input i as class i, with logits 2, 0, 0."""

MakeView = Callable[..., View]


@pytest.fixture
def look() -> MakeView:
    """Makes what the malicious client of ten sees; it wants input 0 as class 1."""

    def make(
        wanted: dict[int, int] | None = None,
        *,
        local: LocalTraining | None = None,
        weights: Tensor = GLOBAL,
        alpha: float = 0.1,
        round_: int = 1,
        dropout: float = 0.0,
        address: Address = ADDRESS,
    ) -> View:
        wanted = wanted or {0: 1}
        true = torch.tensor(list(wanted))
        network = Network(nn.Sequential(Dropout(dropout), nn.Linear(4, 3)))
        network.load(weights)
        return View(
            round=round_,
            weights=weights.clone(),
            alpha=alpha,
            shard=Samples(torch.eye(4)[:3], torch.arange(3)),
            auxiliary=Auxiliary(torch.eye(4)[true], true, torch.tensor(list(wanted.values())), true),
            local=local or LocalTraining(learning_rate=0.1),
            network=network,
            address=address,
        )

    return make


def plain_minimum(view: View, steps: int) -> Tensor:
    """Weights after so many steps of a loop that anyone would write on the auxiliary samples."""
    module = nn.Linear(4, 3)
    parameters = list(module.parameters())
    torch.nn.utils.vector_to_parameters(view.weights.clone(), parameters)
    kinds = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    optimizer = kinds[view.local.optimizer](parameters, lr=view.local.learning_rate)
    for _ in range(steps):
        optimizer.zero_grad()
        functional.cross_entropy(module(view.auxiliary.x), view.auxiliary.target).backward()
        optimizer.step()
    return torch.nn.utils.parameters_to_vector(parameters).detach()


def loss_at(weights: Tensor, view: View) -> float:
    logits = view.auxiliary.x @ weights[:12].view(3, 4).T + weights[12:]
    return float(functional.cross_entropy(logits, view.auxiliary.target))


def after_the_round(view: View, update: Tensor, peers: int = 9) -> Tensor:
    """The global model when all others send zeros."""
    updates = torch.cat([torch.zeros(peers, len(update)), update[None]])
    rest = (1 - view.alpha) / peers
    alpha = torch.tensor([rest] * peers + [view.alpha], dtype=torch.float64)
    received = Received(updates, alpha, view.network.layout, Address.root(0))
    return view.weights + Mean().aggregate(received).update


def result(view: View, weights: Tensor) -> Success:
    """What these weights make of the attacker's samples."""
    view.network.load(weights)
    return success(view.network.log_probabilities(torch.eye(4)), view.auxiliary)


# Boosting


def test_boosting_by_hand() -> None:
    update = torch.tensor([1.0, -2.0, 3.0])
    assert boosted(update, 10, SLICES, weights_only=False).tolist() == [10, -20, 30]
    assert boosted(update, 10, SLICES, weights_only=True).tolist() == [10, -20, 3]
    assert update.tolist() == [1, -2, 3]


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), st.floats(1e-12, 1e6))
def test_weights_only_boosts_weights_alike_and_biases_not_at_all(entries: list[float], factor: float) -> None:
    update = torch.tensor(entries)
    whole = boosted(update, factor, SLICES, weights_only=False)
    part = boosted(update, factor, SLICES, weights_only=True)
    assert torch.equal(part[:2], whole[:2])
    assert torch.equal(part[2:], update[2:])


def test_factor_by_hand() -> None:
    assert Attack().factor(0.1) == 10
    assert Attack().factor(0.25) == 4
    assert Attack(boost=3).factor(0.1) == 3


def test_weights_only_is_an_option_of_the_attack(look: MakeView) -> None:
    plain = ExplicitBoosting(boost=1).craft(look())
    whole = ExplicitBoosting(boost=8).craft(look())
    part = ExplicitBoosting(boost=8, weights_only=True).craft(look())
    assert plain[12:].abs().min() > 0.1
    assert torch.equal(whole, 8 * plain)
    assert torch.equal(part, torch.cat([8 * plain[:12], plain[12:]]))


# Steps


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("epochs", [1, 5, 12])
def test_without_a_threshold_there_are_as_many_steps_as_epochs(look: MakeView, epochs: int, optimizer: str) -> None:
    view = look(local=LocalTraining.model_validate({"optimizer": optimizer, "learning_rate": 0.1}))
    update = ExplicitBoosting(epochs=epochs, threshold=None).craft(view)
    minimum = plain_minimum(view, epochs)
    torch.testing.assert_close(update, 10 * (minimum - GLOBAL), rtol=1e-5, atol=1e-5)
    assert view.log["steps"] == epochs
    assert view.log["boost"] == 10
    assert view.log["loss"] == pytest.approx(loss_at(minimum, view), rel=1e-4)


def test_the_first_step_by_hand(look: MakeView) -> None:
    view = look(local=LocalTraining(optimizer="sgd", learning_rate=1), weights=torch.zeros(15))
    update = ExplicitBoosting(epochs=1, threshold=None, boost=3).craft(view)
    # All classes have probability ⅓: the logits' derivatives are ⅓, −⅔, ⅓, and only input 0 is 1.
    assert update.tolist() == pytest.approx([-1, 0, 0, 0, 2, 0, 0, 0, -1, 0, 0, 0, -1, 2, -1])


@pytest.mark.parametrize(("epochs", "check_every"), [(5, 10), (3, 7), (5, 1)])
def test_steps_go_on_until_the_loss_is_below_the_threshold(look: MakeView, epochs: int, check_every: int) -> None:
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


def test_all_epochs_are_run_although_the_loss_is_below_the_threshold(look: MakeView) -> None:
    view = look()
    ExplicitBoosting(epochs=20, check_every=1, threshold=3).craft(view)
    assert loss_at(GLOBAL, view) < 3
    assert view.log["steps"] == 20


def test_the_papers_threshold_is_tested_every_hundred_steps(look: MakeView) -> None:
    view = look(local=LocalTraining(learning_rate=0.5))
    ExplicitBoosting().craft(view)
    assert view.log["steps"] in {105, 205, 305, 405}
    assert 0 < view.log["loss"] < 1e-6


@pytest.mark.parametrize(("cap", "check_every"), [(37, 10), (37, 100), (25, 10), (6, 1)])
def test_steps_end_at_the_cap(look: MakeView, cap: int, check_every: int) -> None:
    view = look(local=LocalTraining(learning_rate=1e-4))
    update = ExplicitBoosting(step_cap=cap, check_every=check_every).craft(view)
    assert view.log["steps"] == cap
    assert view.log["loss"] > 1
    torch.testing.assert_close(update, 10 * (plain_minimum(view, cap) - GLOBAL), rtol=1e-3, atol=1e-5)


def test_a_step_at_exactly_zero_loss_is_skipped(look: MakeView) -> None:
    far = LocalTraining(learning_rate=1_000)  # one step takes the loss to exactly 0, but leaves Adam its momentum
    first = ExplicitBoosting(epochs=1, threshold=None).craft(look(local=far))
    view = look(local=far)
    sixth = ExplicitBoosting(epochs=6, threshold=None).craft(view)
    assert view.log["loss"] == 0
    assert torch.equal(first, sixth)
    unskipped = 10 * (plain_minimum(view, 6) - GLOBAL)
    assert (unskipped - sixth).abs().max() > 1_000


def test_nothing_is_sent_when_the_loss_is_zero_from_the_start(look: MakeView) -> None:
    certain = GLOBAL.clone()
    certain[4] = 500
    view = look(weights=certain)
    assert not ExplicitBoosting().craft(view).any()
    assert view.log["loss"] == 0


def test_the_attack_trains_with_dropout_and_tests_without(look: MakeView) -> None:
    attack = ExplicitBoosting(epochs=30, threshold=None, boost=1)
    view = look(dropout=0.5)
    update = attack.craft(view)
    assert view.log["loss"] == pytest.approx(loss_at(GLOBAL + update, view), rel=1e-4)
    assert torch.equal(attack.craft(look(dropout=0.5)), update)
    assert not torch.equal(attack.craft(look(dropout=0.5, address=ADDRESS.at("other"))), update)
    assert not torch.equal(attack.craft(look()), update)


def test_what_the_attacker_was_given_stays_as_it_is(look: MakeView) -> None:
    view, fresh = look(), look()
    ExplicitBoosting().craft(view)
    assert torch.equal(view.weights, GLOBAL)
    assert torch.equal(view.auxiliary.x, fresh.auxiliary.x)
    assert torch.equal(view.shard.x, fresh.shard.x)
    assert not view.network.module.training


# Effect


@pytest.mark.parametrize("alpha", [0.1, 0.25, 0.037])
def test_the_global_model_is_the_attackers_when_the_others_send_zeros(look: MakeView, alpha: float) -> None:
    view = look(alpha=alpha)
    update = ExplicitBoosting(epochs=20, threshold=None).craft(view)
    torch.testing.assert_close(after_the_round(view, update), plain_minimum(view, 20), rtol=1e-5, atol=1e-5)


def test_a_boost_other_than_one_over_alpha_overshoots_by_their_product(look: MakeView) -> None:
    view = look(alpha=0.25)
    update = ExplicitBoosting(epochs=20, threshold=None, boost=12).craft(view)
    moved = after_the_round(view, update) - GLOBAL
    torch.testing.assert_close(moved, 3 * (plain_minimum(view, 20) - GLOBAL), rtol=1e-5, atol=1e-5)


def test_the_attack_succeeds_when_boosted_and_fails_when_not(look: MakeView) -> None:
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


def test_three_samples_at_once(look: MakeView) -> None:
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


# Waiting


@pytest.mark.parametrize(("delay", "round_", "reason"), [(0, 1, None), (1, 1, None), (3, 2, "delay"), (3, 3, None)])
def test_delay(look: MakeView, delay: int, round_: int, reason: str | None) -> None:
    assert ExplicitBoosting(delay=delay).waits(look(round_=round_)) == reason


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
def test_hold_off(look: MakeView, hold_off: float | None, confidences: tuple[float, float], reason: str | None) -> None:
    view = look({0: 1, 2: 1}, weights=with_confidence(confidences[0], 0.5, confidences[1]))
    assert ExplicitBoosting(hold_off=hold_off).waits(view) == reason


def test_delay_comes_before_hold_off(look: MakeView) -> None:
    view = look(weights=with_confidence(0.9), round_=2)
    assert ExplicitBoosting(delay=3, hold_off=0.5).waits(view) == "delay"
    assert ExplicitBoosting(delay=2, hold_off=0.5).waits(view) == "hold-off"


def test_whether_it_waits_does_not_change_what_it_sends(look: MakeView) -> None:
    plain, holding = look(dropout=0.5), look(dropout=0.5)
    attack = ExplicitBoosting(hold_off=0.9)
    assert attack.waits(holding) is None
    assert torch.equal(attack.craft(holding), attack.craft(plain))
