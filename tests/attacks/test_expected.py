from dataclasses import replace
from math import exp, log
from typing import Any

import pytest
import torch
from attacker import GLOBAL, SIZE, after_the_round, biases, changed, cloud, deep, look, remembering
from oracle import Plain, descend, honest
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional
from torch.nn.utils import vector_to_parameters

from fedlens.attacks import predicted_global_model as module
from fedlens.attacks.alternating_minimisation import AlternatingMinimisation
from fedlens.attacks.attack import Attack, View
from fedlens.attacks.estimation import Observation
from fedlens.attacks.predicted_global_model import PredictedGlobalModel
from fedlens.core.errors import ConfigError
from fedlens.core.registry import build
from fedlens.training.local import LocalTraining, batches

HALF = GLOBAL * 0
HALF[0] = log(2)
"""Weights that give input 0 the probabilities 1/2, 1/4, 1/4."""


def idle(monkeypatch: pytest.MonkeyPatch, own: float = 0.0) -> None:
    """Honest training that adds `own` to every entry."""
    monkeypatch.setattr(module, "train", lambda _network, weights, *_: torch.full_like(weights, own))


def crafted(view: View, **options: Any) -> Tensor:
    values = {"epochs": 3, "ls": 2, "evaluate_at": "global", **options}
    return AlternatingMinimisation.model_validate(values).craft(view)


# The model


def test_the_expected_model_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.9 of the own benign update 2, 0.1 of the way 4 from a start that is 1 ahead of what was received."""
    idle(monkeypatch, own=2.0)
    view = look(weights=GLOBAL + 1, received=GLOBAL)
    torch.testing.assert_close(PredictedGlobalModel(view, 0.9).weights(GLOBAL + 5), GLOBAL + 1.8 + 0.4)
    assert torch.equal(view.network.vector.detach(), GLOBAL + 1)


def test_what_post_optimisation_correction_subtracts_is_expected_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    idle(monkeypatch, own=2.0)
    expected = PredictedGlobalModel(look(), 0.9, torch.full_like(GLOBAL, -3.0))
    torch.testing.assert_close(expected.weights(GLOBAL + 5), GLOBAL + 1.8 + 0.5 - 0.3)


@pytest.mark.parametrize("estimate", [None, "pre", "post"])
def test_it_is_the_global_model_that_results_where_the_others_do_the_same(estimate: str | None) -> None:
    view = remembering(deep(), cloud(SIZE, seed=5) / 100)
    attack = AlternatingMinimisation.model_validate(
        {"epochs": 3, "ls": 2, "evaluate_at": "global", "estimate": estimate, "boost": 3}
    )
    sent = attack.corrected(view)
    others = (1 - view.alpha) * honest(view, view.local, view.address, view.received)
    after = Plain(view.received + others + view.alpha * sent)
    found = float(after.loss(view.auxiliary.x, view.auxiliary.target).detach())
    assert view.log["expected_loss"] == pytest.approx(found, rel=1e-9)


def test_the_confidence_is_reached_there_and_not_by_the_papers_attack() -> None:
    view = deep(local=LocalTraining(epochs=2, batch_size=6, learning_rate=0.002), alpha=0.05)
    others = (1 - view.alpha) * honest(view, view.local, view.address)

    def confidence(**options: Any) -> float:
        after = after_the_round(view, crafted(view, epochs=2, ls=1, **options), others)
        return exp(-float(Plain(after).loss(view.auxiliary.x, view.auxiliary.target).detach()))

    assert confidence(confidence=0.8, malicious_steps=30) == pytest.approx(0.8, abs=0.005)
    assert confidence(evaluate_at="local") < 0.7


# The malicious step


@pytest.mark.parametrize("weights_only", [False, True])
def test_the_shortest_step_by_hand(monkeypatch: pytest.MonkeyPatch, weights_only: bool) -> None:
    """Loss ln 4, limit ln 2; the gradient is (1/2, -3/4, 1/4) at input 0 and at the biases, of squared length 7/4."""
    idle(monkeypatch)
    view = look(weights=HALF)
    assert PredictedGlobalModel(view, 0.5).step(10, weights_only=weights_only)
    change = -log(2) / 1.75 * torch.tensor([0.5, -0.75, 0.25])
    due = torch.zeros(15)
    due[[0, 4, 8]], due[12:] = 10 * change, change if weights_only else 10 * change
    torch.testing.assert_close(view.network.vector.detach(), HALF + due)


def test_no_step_where_the_expected_model_is_confident(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is by 1/4; that the present weights are not plays no part."""
    idle(monkeypatch)
    view = look(weights=HALF)
    assert not PredictedGlobalModel(view, 0.24).step(10, weights_only=False)
    assert torch.equal(view.network.vector.detach(), HALF)
    assert PredictedGlobalModel(view, 0.26).step(10, weights_only=False)


def test_no_step_where_the_expected_model_is_just_as_confident_as_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    idle(monkeypatch)
    view = look(weights=HALF)
    expected = PredictedGlobalModel(view, 0.5)
    monkeypatch.setattr(expected, "_limit", expected.loss())
    assert not expected.step(10, weights_only=False)
    assert torch.equal(view.network.vector.detach(), HALF)


def test_no_step_without_a_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    idle(monkeypatch)
    view = look(weights=HALF)
    expected = PredictedGlobalModel(view, 0.5)
    monkeypatch.setattr(view.network, "backward", lambda *_: (view.network.gradient.zero_(), torch.tensor(3.0))[1])
    assert not expected.step(10, weights_only=False)


@pytest.mark.parametrize("change", ["alpha", "own"])
def test_the_gradient_is_that_at_the_expected_model(change: str) -> None:
    """It is autograd's through g, without the chain rule's α, and another one for another α or benign update."""

    def gradient(view: View) -> tuple[Tensor, Tensor]:
        expected, present = PredictedGlobalModel(view, 0.9), view.weights + cloud(SIZE, seed=4)
        view.network.vector.data.copy_(present)
        expected.loss()
        weights = present.clone().requires_grad_()
        own = honest(view, view.local, view.address)
        there = view.received + (1 - view.alpha) * own + view.alpha * (weights - view.weights)
        network = Plain(view.weights).module
        sizes = [parameter.numel() for parameter in network.parameters()]
        named = network.named_parameters()
        pieces = {name: piece.view(old.shape) for (name, old), piece in zip(named, there.split(sizes), strict=True)}
        functional.cross_entropy(functional_call(network, pieces, view.auxiliary.x), view.auxiliary.target).backward()
        assert weights.grad is not None
        return view.network.gradient.clone(), weights.grad / view.alpha

    found, wanted = gradient(deep())
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)
    shard = replace(deep().shard, y=(deep().shard.y + 1) % 3)
    other, wanted = gradient(deep(alpha=0.4) if change == "alpha" else deep(shard=shard))
    torch.testing.assert_close(other, wanted, rtol=1e-9, atol=1e-12)
    assert (other - found).abs().max() > 1e-3


def test_dropout_is_off_in_malicious_steps_and_on_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    idle(monkeypatch)
    view = look(weights=HALF, dropout=0.5)
    expected = PredictedGlobalModel(view, 0.9)
    with view.network.training(view.address):
        assert expected.loss() == pytest.approx(log(4))
        assert view.network.module.training


# The aim


def after(view: View, *, gap: int = 1, **log: float) -> View:
    """The view of a client that logged this when it last took part, `gap` rounds ago."""
    seen = Observation(view.round - gap, 0.1, view.received - 1, torch.ones_like(view.received), log)
    return replace(view, history=(seen,))


@pytest.mark.parametrize(
    ("gap", "logged", "lead"),
    [
        (1, {"lead": 0.0, "expected_loss": log(2)}, log(3) / 2),  # odds of 1 were expected, 1/3 came of it
        (1, {"lead": 1.0, "expected_loss": log(2)}, (1 + log(3)) / 2),
        (1, {"lead": 0.0, "expected_loss": log(5)}, 0.0),  # it is better than expected
        (1, {"lead": 4.0, "expected_loss": log(4)}, 2.0),  # just as expected
        (1, {"lead": 9.0, "expected_loss": 0.0}, 10.0),
        (2, {"lead": 1.0, "expected_loss": log(2)}, 1.0),  # what came of it was not seen
        (1, {"loss": 1.0}, 0.0),  # it was honest then
    ],
)
def test_the_lead_by_hand(monkeypatch: pytest.MonkeyPatch, gap: int, logged: dict[str, float], lead: float) -> None:
    idle(monkeypatch)
    view = after(look(weights=HALF, round=5), gap=gap, **logged)
    assert PredictedGlobalModel(view, 0.5).lead == pytest.approx(lead, rel=1e-6)
    assert torch.equal(view.network.vector.detach(), HALF)


def test_what_came_of_it_is_read_off_the_received_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which pre-optimisation correction does not begin from."""
    idle(monkeypatch)
    view = after(look(weights=GLOBAL, received=HALF, round=5), lead=0.0, expected_loss=log(2))
    assert PredictedGlobalModel(view, 0.5).lead == pytest.approx(log(3) / 2, rel=1e-6)
    assert torch.equal(view.network.vector.detach(), GLOBAL)


def test_the_lead_is_added_to_the_log_odds_that_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a lead of ln 3, even odds become 3 to 1: the loss ln 4 is ln 3 above the limit ln(4/3)."""
    idle(monkeypatch)
    view = after(look(weights=HALF, round=5), lead=2 * log(3), expected_loss=log(4))
    assert PredictedGlobalModel(view, 0.5).step(10, weights_only=False)
    change = -log(3) / 1.75 * torch.tensor([0.5, -0.75, 0.25])
    torch.testing.assert_close(view.network.vector.detach()[12:], HALF[12:] + 10 * change)


@pytest.mark.parametrize("learns", [True, False])
def test_others_who_undo_more_than_expected_are_met_by_a_lead(learns: bool) -> None:
    """They add a step against the target in each of eight rounds; without memory the confidence stays too low."""
    view = deep(local=LocalTraining(epochs=2, batch_size=6, learning_rate=0.002), alpha=0.05)
    attack = AlternatingMinimisation(epochs=2, ls=1, evaluate_at="global", confidence=0.8, malicious_steps=30)
    found = []
    for round_ in range(1, 9):
        view = changed(view, {"round": round_, "weights": view.received})
        sent = attack.craft(view)
        plain = Plain(view.received)
        against = torch.autograd.grad(
            plain.loss(view.auxiliary.x, view.auxiliary.target), list(plain.module.parameters())
        )
        undone = 0.5 * torch.cat([part.reshape(-1) for part in against])
        others = (1 - view.alpha) * honest(view, view.local, view.address) + undone
        seen = Observation(round_, view.alpha, view.received, sent, dict(view.log) if learns else {})
        view = replace(view, received=after_the_round(view, sent, others), history=(seen,))
        found.append(exp(-float(Plain(view.received).loss(view.auxiliary.x, view.auxiliary.target).detach())))
    assert (found[-1] > 0.78) == learns
    assert learns or max(found) < 0.75


def test_it_remembers_its_last_round_and_the_papers_attack_does_not() -> None:
    assert AlternatingMinimisation(evaluate_at="global").memory == 1
    assert AlternatingMinimisation().memory == 0
    assert AlternatingMinimisation(estimate="pre").memory == 1


# The attack


def plain_loop(view: View, *, factor: float, order: str, weights_only: bool, malicious_steps: int) -> Tensor:
    """The attack as anyone would write it, for 3 epochs of four batches, a turn after every second or before each."""
    own = honest(view, view.local, view.address, view.received)
    plain, wanted = Plain(view.weights), view.auxiliary
    optimizer = plain.optimizer(view.local)
    touched = torch.where(biases(view), 1.0 if weights_only else factor, factor)

    def there() -> Plain:
        return Plain(view.received + (1 - view.alpha) * own + view.alpha * (plain.vector - view.weights))

    def gradient(model: Plain, x: Tensor, y: Tensor) -> tuple[float, Tensor]:
        loss = model.loss(x, y)
        parts = torch.autograd.grad(loss, list(model.module.parameters()))
        return float(loss.detach()), torch.cat([part.reshape(-1) for part in parts])

    def turn() -> None:
        for _ in range(malicious_steps):
            loss, slope = gradient(there(), wanted.x, wanted.target)
            if loss > -log(0.9):
                moved = plain.vector - touched * slope * (loss + log(0.9)) / slope.norm() ** 2
                vector_to_parameters(moved, plain.module.parameters())

    for number, batch in enumerate(batches(view.shard, view.local.over(3), view.address)):
        if order == "malicious-first" and number % 4 == 0:
            turn()
        _, far = gradient(there(), batch.x, batch.y)
        near = torch.cat([parameter.reshape(-1) for parameter in plain.module.parameters()])
        descend(optimizer, plain.loss(batch.x, batch.y) + near @ far)  # the gradient of the second term is `far`
        if order == "benign-first" and number % 2 == 1:
            turn()
    return plain.vector - view.weights


@pytest.mark.parametrize("order", ["benign-first", "malicious-first"])
@pytest.mark.parametrize(("weights_only", "malicious_steps"), [(False, 1), (True, 1), (False, 3)])
def test_the_update_is_that_of_the_plain_loop(order: str, weights_only: bool, malicious_steps: int) -> None:
    view = changed(deep(), {"weights": deep().weights + cloud(SIZE, seed=6) / 100, "received": deep().received})
    options: dict[str, Any] = {"order": order, "weights_only": weights_only, "malicious_steps": malicious_steps}
    update = crafted(view, boost=5, **options)
    torch.testing.assert_close(update, plain_loop(view, factor=5, **options), rtol=1e-7, atol=1e-9)
    assert 0 < view.log["malicious_steps"] <= 6 * malicious_steps


def test_the_default_is_the_papers_whatever_the_confidence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "train", None)
    update = AlternatingMinimisation(ls=2).craft(deep())
    assert torch.equal(crafted(deep(), epochs=10, evaluate_at="local", confidence=0.1), update)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"evaluate_at": "average"}, r"attack\.evaluate_at"),
        ({"evaluate_at": "global", "objective": "untargeted"}, "evaluate_at: global aims at a target"),
        ({"confidence": 1}, r"attack\.confidence"),
        ({"confidence": 0}, r"attack\.confidence"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build("attack", {"name": "alternating-minimisation", **options}, Attack)
