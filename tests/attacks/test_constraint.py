from dataclasses import replace
from math import erf, exp, pi, sqrt
from typing import Any, ClassVar

import pytest
import torch
from attacker import SIZE, biases, changed, cloud, deep, remembering
from hypothesis import given
from hypothesis import strategies as st
from oracle import Plain, distance, honest, reference
from scipy.stats import wasserstein_distance
from torch import Tensor
from torch.autograd import gradcheck

from fedlens.attacks.alternating_minimisation import AlternatingMinimisation
from fedlens.attacks.attack import View
from fedlens.attacks.constraint import (
    TERMS,
    Constraint,
    half_squared_l2,
    ranking,
    smoothed,
    soft_histogram,
    total_variation,
    wasserstein,
)
from fedlens.training import optimizer_options
from fedlens.training.local import LocalTraining, batches
from fedlens.training.optimizers import Sgd, Variable

BIN = 0.4 / 500
SGD = LocalTraining(epochs=2, batch_size=6, optimizer="sgd", learning_rate=BIN / 4)
"""Steps small enough that total variation, which sees no farther than some bins, has a gradient too."""

REFERENCES = ["global", "self", "others"]
RHO = {"l2": 100.0, "wasserstein": 0.2, "total-variation": 2e-3}
"""Weights by which each norm pulls about as strongly as the loss of `deep`."""


def vector(*entries: float) -> Tensor:
    return torch.tensor(entries, dtype=torch.float64)


# The distances


def test_half_the_squared_distance_by_hand() -> None:
    assert half_squared_l2(vector(1, 0, 2))(vector(1, 2, -1)) == (4 + 9) / 2


def test_wasserstein_by_hand() -> None:
    assert wasserstein(vector(0, 2))(vector(3, 1)) == 1  # sorted: 1 − 0 and 3 − 2
    assert wasserstein(vector(5, 3, 1))(vector(3, 1, 5)) == 0
    assert wasserstein(vector(0, 0, 0, 0))(vector(0, 0, 0, 4)) == 1


def test_on_the_cpu_numpy_sorts_which_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "argsort", lambda *_: pytest.fail("PyTorch sorted"))
    assert ranking(vector(5, 1, 3)).tolist() == [1, 2, 0]


@given(st.integers(1, 60), st.integers(0, 2**30))
def test_wasserstein_is_scipys(size: int, seed: int) -> None:
    update, other = cloud(size, seed=seed), 2 * cloud(size, seed=seed + 1) - 1
    expected = wasserstein_distance(update.numpy(), other.numpy())
    assert float(wasserstein(other)(update)) == pytest.approx(expected, rel=1e-12)


def test_a_soft_histogram_by_hand() -> None:
    shares = 6 * soft_histogram(vector(0, BIN / 4, -BIN, 0.2, 7, -7))
    expected = torch.zeros(501, dtype=torch.float64)
    expected[[0, 249, 250, 251, 500]] = vector(1, 1, 1.75, 0.25, 2)
    torch.testing.assert_close(shares, expected, rtol=0, atol=1e-9)


def test_total_variation_by_hand() -> None:
    update, other = vector(0, 0.1, 7), vector(0, 0.1, -7)
    assert float(total_variation(other)(update)) == pytest.approx(1 / 3)  # a third is on the other side
    assert float(total_variation(update)(update)) == 0
    assert float(total_variation(vector(-0.1))(vector(0.1))) == pytest.approx(1)
    # Two normal distributions that are 2 σ apart: 2 Φ(1) − 1.
    assert float(total_variation(vector(0.0))(vector(10 * BIN))) == pytest.approx(erf(1 / sqrt(2)), abs=2e-3)


def test_smoothing_loses_nothing() -> None:
    for place in (0, 3, 250, 500):
        shares = torch.zeros(501, dtype=torch.float64)
        shares[place] = 1
        spread = smoothed(shares)
        assert float(spread.sum()) == pytest.approx(1)
        assert int(spread.argmax()) == place + 20
        assert float(spread[place + 15] / spread[place + 20]) == pytest.approx(exp(-0.5))  # a σ beside the middle


@given(st.integers(1, 40), st.integers(0, 2**30))
def test_the_norms_are_those_of_another_derivation(size: int, seed: int) -> None:
    update, other = cloud(size, seed=seed) / 10, cloud(size, seed=seed + 1) / 8
    for norm, term in TERMS.items():
        torch.testing.assert_close(term(other)(update), distance(norm, update, other))
        assert float(term(update)(update)) == 0
        torch.testing.assert_close(term(other)(update), term(update)(other))


@pytest.mark.parametrize("norm", TERMS)
def test_the_term_is_a_sum_over_the_entries(norm: str) -> None:
    update, other = cloud(9, seed=1) / 10, cloud(9, seed=2) / 10
    once, thrice = TERMS[norm](other)(update), TERMS[norm](other.repeat(3))(update.repeat(3))
    torch.testing.assert_close(thrice, 3 * once)


# Gradients


def term(constraint: Constraint, weights: Tensor, near: Tensor, received: Tensor) -> Tensor:
    return constraint.term(near, received, lambda entries: entries)(weights)


@pytest.mark.parametrize("norm", TERMS)
def test_the_gradient_of_the_term_is_that_of_finite_differences(norm: str) -> None:
    constraint = Constraint.model_validate({"norm": norm, "rho": 0.7})
    weights, near, received = 3 * BIN * cloud(3, 25, seed=1)
    weights.requires_grad_()
    assert gradcheck(lambda entries: term(constraint, entries, near, received), weights, eps=1e-7)
    term(constraint, weights, near, received).backward()
    assert weights.grad is not None
    assert weights.grad.count_nonzero() > 5


def test_the_gradient_of_l2_is_rho_times_the_difference() -> None:
    weights, near, received = cloud(SIZE, seed=1).requires_grad_(), cloud(SIZE, seed=2), cloud(SIZE, seed=3)
    term(Constraint(rho=0.7), weights, near, received).backward()
    torch.testing.assert_close(weights.grad, 0.7 * (weights - near).detach(), rtol=1e-12, atol=1e-14)


def test_the_gradient_of_wasserstein_pulls_every_entry_towards_its_rank() -> None:
    weights, near = vector(5, 1, 3).requires_grad_(), vector(0, 9, 2)  # sorted: 1, 3, 5 and 0, 2, 9
    term(Constraint(norm="wasserstein", rho=0.7), weights, near, torch.zeros(3)).backward()
    assert weights.grad is not None
    assert weights.grad.tolist() == pytest.approx([-0.7, 0.7, 0.7])


def test_the_gradient_of_total_variation_by_hand() -> None:
    weights = vector(10.5 * BIN, 0.1 - 10.5 * BIN, 7).requires_grad_()
    near = vector(0.5 * BIN, 0.1 - 0.5 * BIN, 7)
    term(Constraint(norm="total-variation", rho=0.7), weights, near, torch.zeros(3)).backward()
    # Each of two normal distributions is 2 σ off: the derivative of 2 Φ(x / 2σ) − 1 is φ(1) / σ. 7 is beyond.
    pull = 0.7 * exp(-0.5) / sqrt(2 * pi) / (5 * BIN)
    assert weights.grad is not None
    assert weights.grad.tolist() == pytest.approx([pull, -pull, 0], rel=0.01)


class Recording:
    """Gradient descent that keeps what it is given."""

    made: ClassVar[list["Recording"]] = []

    def __init__(self, variable: Variable, learning_rate: float, **options: Any) -> None:
        self.variable, self.inner = variable, Sgd(variable, learning_rate, **options)
        self.given: list[tuple[Tensor, Tensor]] = []
        self.made.append(self)

    def step(self) -> None:
        self.given.append((self.variable.vector.detach().clone(), self.variable.gradient.clone()))
        self.inner.step()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Recording]:
    """The optimizers that an attack makes, in this order."""
    monkeypatch.setattr(optimizer_options, "Sgd", Recording)
    monkeypatch.setattr(Recording, "made", [])
    return Recording.made


def attack(constraint: dict[str, object] | None, **options: object) -> AlternatingMinimisation:
    return AlternatingMinimisation.model_validate({"epochs": 2, "ls": 3, **options, "constraint": constraint})


@pytest.mark.parametrize("norm", TERMS)
@pytest.mark.parametrize("weights_only", [False, True])
def test_the_terms_gradient_is_in_that_of_every_benign_step(
    made: list[Recording], norm: str, weights_only: bool
) -> None:
    others, rho = 4 * BIN * cloud(SIZE, seed=5), RHO[norm]
    view = remembering(start(ahead=True, local=SGD), others)
    attack({"reference": "others", "norm": norm, "rho": rho}, weights_only=weights_only).craft(view)
    benign, malicious = made
    assert (len(benign.given), len(malicious.given)) == (8, 2)
    touched = ~biases(view) if weights_only else torch.ones(SIZE, dtype=torch.bool)
    drawn = batches(view.shard, SGD, view.address)
    for (weights, gradient), batch in zip(benign.given, drawn, strict=True):
        expected = gradient_at(weights, batch.x, batch.y)
        moved = (weights - view.received).requires_grad_()
        (rho * distance(norm, moved[touched], others[touched])).backward()
        assert moved.grad is not None
        torch.testing.assert_close(gradient, expected + moved.grad, rtol=1e-6, atol=1e-7)
        assert moved.grad[touched].abs().max() > 0.1
        assert not moved.grad[~touched].any()
    for weights, gradient in malicious.given:
        wanted = view.auxiliary
        torch.testing.assert_close(gradient, gradient_at(weights, wanted.x, wanted.target), rtol=1e-9, atol=1e-12)


def gradient_at(weights: Tensor, x: Tensor, y: Tensor) -> Tensor:
    plain = Plain(weights)
    plain.loss(x, y).backward()
    return torch.cat([parameter.grad.reshape(-1) for parameter in plain.module.parameters()])


# Rho


def sent(view: View, constraint: dict[str, object] | None, **options: object) -> Tensor:
    """What is crafted when the others are estimated to do the same as ever."""
    return attack(constraint, **options).craft(remembering(view, 4 * BIN * cloud(SIZE, seed=5)))


@pytest.mark.parametrize("norm", TERMS)
@pytest.mark.parametrize("kind", REFERENCES)
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_rho_changes_the_update(norm: str, kind: str, optimizer: str) -> None:
    local = SGD.model_copy(update={"optimizer": optimizer})
    plain = sent(deep(local=local), None)
    strengths = [RHO[norm] * scale for scale in (1e-9, 1, 2)]
    none, some, more = [
        sent(deep(local=local), {"reference": kind, "norm": norm, "rho": strength}) for strength in strengths
    ]
    torch.testing.assert_close(none, plain, rtol=0, atol=BIN / 1000)
    assert (some - plain).abs().max() > BIN / 40
    assert (more - some).abs().max() > BIN / 40


@pytest.mark.parametrize("norm", ["l2", "wasserstein"])
@pytest.mark.parametrize("kind", REFERENCES)
def test_the_stronger_the_constraint_the_nearer_the_update(norm: str, kind: str) -> None:
    others = 4 * BIN * cloud(SIZE, seed=5)
    view = deep(local=SGD)
    near = reference(view, kind, 2, others) - view.received
    ranges = []
    for scale in (1e-9, 1, 4):
        update = sent(deep(local=SGD), {"reference": kind, "norm": norm, "rho": RHO[norm] * scale})
        ranges.append(float(distance(norm, update, near)))
    assert ranges[0] > ranges[1] > ranges[2]


def test_descent_on_total_variation_lowers_it() -> None:
    """In steps of a bin and more, and from several bins away."""
    weights, near = 6 * BIN * cloud(400, seed=1) + 12 * BIN, 9 * BIN * cloud(400, seed=2)
    before = float(total_variation(near)(weights))
    for _ in range(100):
        weights = weights.detach().requires_grad_()
        term(Constraint(norm="total-variation", rho=20 * BIN**2), weights, near, torch.zeros(400)).backward()
        assert weights.grad is not None
        weights = weights - weights.grad
    assert before > 0.5
    assert float(total_variation(near)(weights.detach())) < 0.2 * before


def test_weights_only_leaves_the_biases_unconstrained() -> None:
    """Where the target is met for certain there are benign steps only, and after the first its biases know no ρ."""
    certain = deep().weights.clone()
    certain[-3:] = vector(900, 0, 0)
    wanted = replace(deep().auxiliary, target=torch.tensor([0, 0]))
    view = deep(local=SGD, weights=certain, auxiliary=wanted)

    def crafted(rho: float, *, weights_only: bool) -> Tensor:
        constraint = {"reference": "others", "rho": rho}
        return sent(view, constraint, epochs=0.25, ls=1, weights_only=weights_only)

    weak, strong = crafted(1, weights_only=True), crafted(100, weights_only=True)
    free = biases(view)
    assert torch.equal(weak[free], strong[free])
    assert weak[~free].ne(strong[~free]).all()
    assert crafted(100, weights_only=False)[free].ne(strong[free]).all()


# References


@pytest.mark.parametrize("ahead", [False, True])
def test_global_is_what_was_received_even_under_pre_correction(ahead: bool) -> None:
    view = start(ahead)
    assert torch.equal(Constraint(reference="global").find_reference(view, 3), view.received)


@pytest.mark.parametrize("ahead", [False, True])
def test_others_is_what_was_received_and_the_estimate(ahead: bool) -> None:
    view, others = start(ahead), cloud(SIZE, seed=5)
    constraint = Constraint(reference="others")
    assert torch.equal(constraint.find_reference(view, 3), view.received)
    found = constraint.find_reference(remembering(view, others, gap=3), 3)
    torch.testing.assert_close(found, view.received + others, rtol=0, atol=1e-12)


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize(("epochs", "own", "trained"), [(2, 5, 5), (5, 2, 5), (3, 3, 3), (1, 0.5, 1)])
def test_self_is_where_benign_training_of_the_longer_kind_leads(
    ahead: bool, epochs: float, own: float, trained: float
) -> None:
    view = changed(start(ahead), {"local": LocalTraining(epochs=epochs, batch_size=6, learning_rate=0.05)})
    view = changed(view, {"weights": start(ahead).weights, "received": start(ahead).received})
    found = Constraint(reference="self").find_reference(view, own)
    expected = view.weights + honest(view, view.local.over(trained), view.address.at("reference"))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_self_takes_as_many_steps_as_honest_clients_where_those_are_fixed() -> None:
    view = deep(local=LocalTraining(steps=30, batch_size=6, learning_rate=0.05))
    found = Constraint(reference="self").find_reference(view, 3)
    expected = view.weights + honest(view, view.local, view.address.at("reference"))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def start(ahead: bool, **changes: object) -> View:
    """A view that begins where it received the model, or `ahead` of it as under pre-optimisation correction."""
    view = deep(**changes)
    moved = view.weights + 6 * BIN * cloud(SIZE, seed=6)
    return changed(view, {"weights": moved, "received": view.received}) if ahead else view


@pytest.mark.parametrize(
    ("options", "words"), [({"rho": 0}, "rho"), ({"norm": "l1"}, "norm"), ({"reference": "none"}, "reference")]
)
def test_impossible_options_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Constraint.model_validate(options)
