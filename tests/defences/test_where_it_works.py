"""Every defence where it should work, and where it should not: one round of ten clients, against the plain mean.

The measure is how far the aggregate is from the mean of the honest updates, as a share of what the plain mean is. An
attack is stopped below ½, and not stopped from 0.8 on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedlens.core.registry import BUILT_IN
from fedlens.defences.links import KINDS
from fedlens.studies.conformance.case import Cohort, Rows
from fedlens.studies.conformance.reference import Refusal, answers, method

CLIENTS, ENTRIES = 10, 40
TESTS = Path(__file__).parent


@dataclass(frozen=True)
class Attack:
    """What the first clients send in place of their honest updates."""

    attackers: int
    send: Callable[[Rows], Rows]


BOOSTED = Attack(1, lambda honest: -100 * honest[:1])
"""One goes the other way, a hundred times as far."""
ALIKE = Attack(2, lambda _: np.full((2, ENTRIES), -1.0))
"""Two send the same, of ordinary length."""
MOST = Attack(6, lambda _: np.full((6, ENTRIES), -1.0))
"""Six of ten do."""
HIDDEN = Attack(2, lambda honest: np.tile(honest[2:].mean(axis=0) - 0.3 * honest[2:].std(axis=0), (2, 1)))
"""Two are nearer to the mean than the honest are, all on one side of it."""

CASES: Mapping[str, tuple[dict[str, Any], Attack, Attack]] = {
    "krum": ({"f": 2}, BOOSTED, MOST),
    "krum-authors": ({"f": 2}, BOOSTED, MOST),
    "multi-krum": ({"f": 2}, ALIKE, HIDDEN),
    "median": ({}, BOOSTED, HIDDEN),
    "trimmed-mean": ({"f": 2}, BOOSTED, HIDDEN),
    "geometric-median": ({}, ALIKE, MOST),
    "bulyan": ({"f": 1}, ALIKE, MOST),
    "norm-clipping": ({"max_norm": 1.0}, BOOSTED, ALIKE),
    "clip": ({"max_norm": 1.0}, BOOSTED, ALIKE),
    "median-clip": ({}, BOOSTED, ALIKE),
    "centred-clipping": ({}, BOOSTED, ALIKE),
    "foolsgold": ({}, ALIKE, BOOSTED),
    "nnm": ({"f": 2}, ALIKE, MOST),
    "arc": ({"f": 2}, BOOSTED, ALIKE),
    "dnc": ({"f": 2}, ALIKE, HIDDEN),
    "signguard-filter": ({}, ALIKE, HIDDEN),
    "multi-metrics": ({}, ALIKE, MOST),
    "crfl": ({}, BOOSTED, ALIKE),
    "flame-filter": ({}, ALIKE, HIDDEN),
    "rflbat-filter": ({}, BOOSTED, HIDDEN),
    "freqfed-filter": ({}, ALIKE, HIDDEN),
    "distances": ({"action": "reject"}, BOOSTED, ALIKE),
    "statistics": ({"action": "reject"}, BOOSTED, ALIKE),
    "norm-filter": ({"action": "reject"}, BOOSTED, ALIKE),
}
"""Options, an attack that is stopped, and one that is not."""

ELSEWHERE: Mapping[str, tuple[str, str, str]] = {
    "rlr": (
        "test_robust_learning_rate.py",
        "test_who_is_alone_in_an_entry_is_pushed_back",
        "test_where_attackers_can_deny_agreement_honest_entries_are_reversed",
    ),
    "fltrust": (
        "test_fltrust.py",
        "test_who_goes_against_the_root_counts_nothing",
        "test_who_goes_along_with_the_root_is_trusted_wherever_else_it_goes",
    ),
    "fldetector": (
        "test_fldetector.py",
        "test_who_is_not_what_was_expected_is_excluded_and_stays_so",
        "test_who_sends_what_is_expected_is_not_noticed",
    ),
    "flanders": (
        "test_flanders.py",
        "test_a_majority_of_noisy_attackers_is_left_out",
        "test_who_hides_among_the_honest_from_the_first_round_on_is_not_noticed",
    ),
    "deepsight-filter": (
        "test_deepsight.py",
        "test_it_stops_colluders_who_trained_on_one_class",
        "test_it_cannot_stop_who_has_data_of_all_classes",
    ),
    "accuracy": (
        "test_accuracy.py",
        "test_only_more_than_the_threshold_is_flagged",
        "test_a_better_model_is_never_flagged",
    ),
}
"""What needs a model, samples or more rounds: a file, a test where it works, and one where it does not."""

NONE = {"mean", "equal-weights", "bucketing", "fedavgm", "fedadam", "median-noise"}
"""No defences by themselves."""
WHOLE = {"signguard", "flame", "deepsight", "rflbat", "freqfed"}
"""Their filters, and then clipping or the mean."""


def error(name: str, options: dict[str, Any], attack: Attack, seed: int = 0) -> float:
    honest = 1 + 0.5 * np.random.default_rng(seed).normal(size=(CLIENTS, ENTRIES))
    wanted = honest[attack.attackers :].mean(axis=0)
    rows = np.concatenate([attack.send(honest), honest[attack.attackers :]])
    [answer] = answers(method(name, options), (Cohort.of(rows),))
    assert not isinstance(answer, Refusal)
    return float(np.linalg.norm(answer.mean(axis=0) - wanted) / np.linalg.norm(rows.mean(axis=0) - wanted))


@pytest.mark.parametrize("name", CASES)
def test_it_stops_what_it_was_made_for(name: str) -> None:
    options, stopped, _ = CASES[name]
    assert error(name, options, stopped) < 0.5


@pytest.mark.parametrize("name", CASES)
def test_it_does_not_stop_what_it_was_not_made_for(name: str) -> None:
    options, _, passed = CASES[name]
    assert error(name, options, passed) >= 0.8


@pytest.mark.parametrize("attack", [BOOSTED, ALIKE, MOST, HIDDEN])
def test_the_mean_stops_nothing(attack: Attack) -> None:
    assert error("mean", {}, attack) == pytest.approx(1)
    assert error("equal-weights", {}, attack) == pytest.approx(1)


def test_every_defence_has_both() -> None:
    assert {*CASES, *ELSEWHERE, *NONE, *WHOLE} == {name for kind in KINDS for name in BUILT_IN[kind]}
    for file, *tests in ELSEWHERE.values():
        text = (TESTS / file).read_text("utf-8")
        assert [test for test in tests if f"def {test}(" not in text] == []
