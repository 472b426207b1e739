from dataclasses import replace
from itertools import pairwise
from math import sqrt
from typing import Any

import pytest
import torch
from attacker import BRIEF, EFFECTIVE, SIZE, TARGETED, UNBOOSTED, after_the_round, changed, cloud, deep, remembering
from helpers.records import attack_of
from hypothesis import given
from hypothesis import strategies as st
from oracle import alternating, explicit
from small import small
from teams import with_buffers
from torch import Tensor

import fedlens
from fedlens.attacks.alternating_minimisation import AlternatingMinimisation
from fedlens.attacks.attack import Attack, View
from fedlens.attacks.estimation import EstimateError, Observation, previous_step
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.core.registry import build
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.runs.round_result import RoundResult
from fedlens.training.local import LocalTraining

LOCAL = LocalTraining(epochs=2, batch_size=6, learning_rate=0.1)


# The estimate


def test_the_estimate_by_hand() -> None:
    seen = Observation(round=3, alpha=0.5, weights=torch.tensor([1.0, 2]), update=torch.tensor([4.0, -2]))
    now = torch.tensor([5.0, 2])
    assert previous_step(seen, now, 4).tolist() == [2, 1]
    assert previous_step(seen, now, 7).tolist() == [0.5, 0.25]


@given(st.integers(1, 6), st.floats(0.01, 1), st.integers(0, 2**30))
def test_the_estimate_is_exact_when_the_others_repeat_themselves(gap: int, alpha: float, seed: int) -> None:
    """Chosen at round 3, absent for `gap` − 1 rounds, chosen again."""
    others, mine, weights = cloud(3, 9, seed=seed)
    seen = Observation(3, alpha, weights.clone(), mine)
    weights = weights + alpha * mine + others
    for _ in range(gap - 1):
        weights = weights + others
    torch.testing.assert_close(previous_step(seen, weights, 3 + gap), others, rtol=0, atol=1e-12)


@pytest.mark.parametrize("gap", [1, 4])
def test_a_view_estimates_from_the_latest_round_that_it_remembers(gap: int) -> None:
    view, others = deep(round=9), cloud(SIZE, seed=5)
    later = remembering(view, others, gap).history
    earlier = remembering(view, 7 * others, gap + 2).history
    found = changed(view, {"history": earlier + later}).estimate()
    assert found is not None
    torch.testing.assert_close(found, others, rtol=0, atol=1e-12)


def test_the_estimate_starts_at_what_was_received_not_where_the_attack_begins() -> None:
    view, others = deep(), cloud(SIZE, seed=5)
    ahead = changed(remembering(view, others), {"weights": view.weights + 1, "received": view.received})
    found = ahead.estimate()
    assert found is not None
    torch.testing.assert_close(found, others, rtol=0, atol=1e-12)


def test_there_is_no_estimate_at_the_first_selection() -> None:
    assert deep().estimate() is None


# Its use


class Constant(Attack):
    """Somebody else's attack: sends ones times λ, and says where it began."""

    def craft(self, view: View) -> Tensor:
        assert torch.equal(view.network.vector.detach(), view.weights)
        view.log["began"] = float(view.weights.norm())
        view.log["received"] = float(view.received.norm())
        return self.factor(view.alpha) * torch.ones_like(view.weights)


ATTACKS: list[dict[str, Any]] = [
    *[{"name": name} for name in TARGETED if name != "train-and-scale"],  # whose bound a correction would break
    {"name": "alternating-minimisation", "order": "malicious-first"},
    {"name": "alternating-minimisation", "constraint": {"reference": "self"}},
    {"name": "alternating-minimisation", "constraint": {"reference": "others"}},
    {"name": "explicit-boosting", "weights_only": True},
    {"name": "explicit-boosting", "objective": "untargeted"},
    {"name": "test_estimation:Constant"},
]


def make(description: dict[str, Any], **options: Any) -> Attack:
    attack = build("attack", {**BRIEF.get(description["name"], {}), **description, **options}, Attack)
    assert isinstance(attack, Attack)
    return attack


@pytest.mark.parametrize("description", ATTACKS, ids=str)
@pytest.mark.parametrize("estimate", ["pre", "post"])
def test_at_the_first_selection_every_attack_is_uncorrected(description: dict[str, Any], estimate: str) -> None:
    update = make(description, estimate=estimate).corrected(deep(local=LOCAL))
    assert torch.equal(update, make(description).craft(deep(local=LOCAL)))


@pytest.mark.parametrize("description", [one for one in ATTACKS if one["name"] in EFFECTIVE], ids=str)
@pytest.mark.parametrize("boost", [3, None])
def test_post_correction_subtracts_lambda_times_the_estimate(description: dict[str, Any], boost: float | None) -> None:
    others, options = cloud(SIZE, seed=5), {} if boost is None else {"boost": boost}
    attack = make(description, estimate="post", **options)
    update = attack.corrected(remembering(deep(local=LOCAL), others, gap=2))
    plain = make(description, **options).craft(remembering(deep(local=LOCAL), others, gap=2))
    factor = boost or (1 if description["name"] in UNBOOSTED else 5)
    torch.testing.assert_close(update, plain - factor * others, rtol=0, atol=1e-9)


@pytest.mark.parametrize("description", ATTACKS, ids=str)
def test_pre_correction_starts_from_the_estimate_and_sends_the_displacement_from_it(
    description: dict[str, Any],
) -> None:
    others = cloud(SIZE, seed=5) / 5
    view = remembering(deep(local=LOCAL), others, gap=4)
    update = make(description, estimate="pre").corrected(view)
    start = view.received + view.estimate()
    moved = changed(remembering(deep(local=LOCAL), others, gap=4), {"weights": start, "received": view.received})
    assert torch.equal(update, make(description).craft(moved))
    assert update.any()


def test_somebody_elses_attack_sees_where_it_begins_and_what_was_received() -> None:
    view = remembering(deep(), cloud(SIZE, seed=5))
    Constant(estimate="pre").corrected(view)
    assert view.log["began"] == pytest.approx(float((view.received + cloud(SIZE, seed=5)).norm()))
    assert view.log["received"] == pytest.approx(float(view.received.norm()))
    behind = remembering(deep(), cloud(SIZE, seed=5))
    Constant(estimate="post").corrected(behind)
    assert behind.log["began"] == behind.log["received"] == view.log["received"]


def test_buffers_are_not_corrected() -> None:
    """Of a batch normalisation: two parameters, and its running statistics."""
    view = replace(deep(), network=with_buffers())
    assert Attack(boost=3).correction(view, torch.full((5,), 2.0)).tolist() == [6, 6, 0, 0, 0]


def test_no_correction_without_the_option() -> None:
    view = remembering(deep(), cloud(SIZE, seed=5))
    assert torch.equal(Constant().corrected(view), torch.full((SIZE,), 5.0, dtype=torch.float64))


def test_explicit_boosting_with_pre_correction_is_the_plain_loop_from_the_estimate() -> None:
    others = cloud(SIZE, seed=5) / 5
    view = remembering(deep(), others, gap=4)
    update = ExplicitBoosting(epochs=20, threshold=None, estimate="pre").corrected(view)
    moved = changed(deep(), {"weights": view.received + others})
    torch.testing.assert_close(update, 5 * explicit(moved, 20), rtol=0, atol=1e-10)


def test_alternating_minimisation_with_pre_correction_is_the_plain_loop_from_the_estimate() -> None:
    others = cloud(SIZE, seed=5) / 5
    view = remembering(deep(), others, gap=4)
    update = AlternatingMinimisation(epochs=3, ls=2, estimate="pre").corrected(view)
    moved = changed(deep(), {"weights": view.received + others})
    torch.testing.assert_close(update, alternating(moved, epochs=3, ls=2, factor=5), rtol=0, atol=1e-9)


@pytest.mark.parametrize("estimate", ["pre", "post", None])
@pytest.mark.parametrize("name", ["explicit-boosting", "simultaneous-training", "implicit-boosting"])
def test_with_a_perfect_estimate_the_round_ends_where_the_attack_did(name: str, estimate: str | None) -> None:
    """Without one it ends off by what the others send."""
    others = cloud(SIZE, seed=5) / 5
    view = remembering(deep(local=LOCAL), others, gap=3)
    update = make({"name": name}, estimate=estimate).corrected(view)
    reached = view.network.vector.detach().clone()
    found = after_the_round(view, update, others)
    off = 0 if estimate else others
    torch.testing.assert_close(found, reached + off, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "estimates"),
    [
        ({}, False),
        ({"estimate": "pre"}, True),
        ({"estimate": "post"}, True),
        ({"constraint": {"reference": "others"}}, True),
        ({"constraint": {"reference": "self"}}, False),
        ({"constraint": {"reference": "global"}, "estimate": "post"}, True),
    ],
)
def test_an_attack_that_needs_an_estimate_says_so(options: dict[str, Any], estimates: bool) -> None:
    assert make({"name": "alternating-minimisation"}, **options).estimates == estimates
    if "constraint" not in options:
        assert make({"name": "explicit-boosting"}, **options).estimates == estimates


# How wrong it is


@pytest.mark.parametrize(
    ("estimate", "truth", "relative", "cosine"),
    [
        ((1, 0), (1, 1), sqrt(0.5), sqrt(0.5)),
        ((3, 4), (3, 4), 0, 1),
        ((6, 8), (3, 4), 1, 1),
        ((-3, -4), (3, 4), 2, -1),
        ((4, -3), (3, 4), sqrt(2), 0),
        ((0, 0), (3, 4), 1, None),
        ((3, 4), (0, 0), None, None),
        ((0, 0), (0, 0), None, None),
    ],
)
def test_the_error_by_hand(
    estimate: tuple[float, ...], truth: tuple[float, ...], relative: float | None, cosine: float | None
) -> None:
    error = EstimateError.of(torch.tensor(estimate, dtype=torch.float32), torch.tensor(truth, dtype=torch.float32))
    assert error.relative == (None if relative is None else pytest.approx(relative))
    assert error.cosine == (None if cosine is None else pytest.approx(cosine))


# In a federation

CHOSEN = [1, 3, 4, 8]
"""When the malicious client takes part."""


def federation(attack: Attack) -> Experiment:
    """Two of four clients in each round."""
    return small(fraction=0.5, rounds=8, local=LocalTraining(steps=3, batch_size=20), attack=attack)


def recorded(result: RoundResult) -> tuple[float, float] | None:
    attack = attack_of(result.record)
    assert attack is not None
    assert ("estimate_error" in attack) == ("estimate_cosine" in attack)
    return (attack["estimate_error"], attack["estimate_cosine"]) if "estimate_error" in attack else None


@pytest.mark.parametrize(
    "attack",
    [
        Constant(estimate="pre", boost=0.01),
        Constant(estimate="post", boost=0.01),
        AlternatingMinimisation(epochs=1, ls=2, constraint={"reference": "others"}),
    ],
    ids=["pre", "post", "others"],
)
def test_the_error_in_the_record_is_that_of_the_states(attack: Attack) -> None:
    experiment = federation(attack)
    results = list(fedlens.simulate(experiment, engine="serial"))
    states = [prepare(experiment).network().vector.detach().double()]
    states += [result.state.weights.double() for result in results]
    chosen = [result for result in results if result.record.malicious]
    assert [result.record.round for result in chosen] == CHOSEN
    assert recorded(chosen[0]) is None
    for earlier, later in pairwise(chosen):
        then, now = earlier.record.round, later.record.round
        ((mine,),), ((sent,),) = earlier.state.history.values(), later.state.history.values()
        assert (mine.round, sent.round) == (then, now)
        estimate = (states[now - 1] - states[then - 1] - mine.alpha * mine.update.double()) / (now - then)
        truth = states[now] - states[now - 1] - sent.alpha * sent.update.double()
        found = recorded(later)
        assert found is not None
        assert found[0] == pytest.approx(float((estimate - truth).norm() / truth.norm()), rel=1e-3)
        assert found[1] == pytest.approx(float(torch.cosine_similarity(estimate, truth, dim=0)), abs=1e-3)


def test_nothing_is_recorded_while_the_attack_waits_but_what_it_saw_then_counts() -> None:
    results = list(fedlens.simulate(federation(Constant(estimate="pre", boost=0.01, delay=4)), engine="serial"))
    chosen = [result for result in results if result.record.malicious]
    assert [result.record.round for result in chosen] == CHOSEN
    assert [recorded(result) is None for result in chosen] == [True, True, False, False]
    ((seen,),) = chosen[1].state.history.values()
    assert (seen.round, seen.update.std() > 0) == (3, True)


def test_nothing_is_recorded_of_an_attack_without_estimate() -> None:
    results = list(fedlens.simulate(federation(Constant(boost=0.01)), engine="serial"))
    assert all(recorded(result) is None for result in results if result.record.malicious)
    assert all(result.state.history == {} for result in results)
