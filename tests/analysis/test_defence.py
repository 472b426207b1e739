"""What became of the malicious client's updates, in records made by hand."""

from typing import Any

import pytest
from helpers.recorded import record

from fedlens.analysis.defence import defence, performance_of
from fedlens.runs.record import RoundRecord
from fedlens.runs.run_summary import DefenceSummary


def summed(records: list[RoundRecord]) -> DefenceSummary:
    summary = defence(records)
    assert summary is not None
    return summary


def test_what_became_of_the_malicious_updates() -> None:
    records = [
        record(1, [1, 4, 5], shares=[0, 1, 0]),
        record(2, [1, 2, 3], shares=[1, 0, 0]),
        record(3, [0, 4, 6], shares=[0.0, 0.0, 1.0]),
        record(4, [3, 4, 6], shares=[0, 0, 0], rejected=[4, 6], skipped="too few"),
    ]
    expected = DefenceSummary(
        rounds=3, rejected=1, skipped=1, chosen=1, effective_weight=pytest.approx(1 / 3),
        precision=1 / 2, recall=pytest.approx(1 / 3),
    )  # fmt: skip
    assert defence(records) == expected


def test_a_share_that_is_no_choice() -> None:
    records = [record(1, [1, 4, 5], shares=[0.2, 0.5, 0.3]), record(2, [4, 5, 6], shares=[0.1, 0.45, 0.45])]
    found = summed(records)
    assert found.chosen is None
    assert found.effective_weight == pytest.approx(0.3)
    unknown = summed([record(1, [1, 4, 5], shares=None)])
    assert (unknown.chosen, unknown.effective_weight) == (None, None)
    assert defence([record(1, [1, 2, 3])]) is None


def test_a_rule_that_tells_shares_sometimes() -> None:
    records = [
        record(1, [1, 4, 5], shares=None),
        record(2, [1, 4, 5], shares=[0, 0, 0], skipped="too few"),
        record(3, [1, 4, 5], shares=[0, 1.0, 0]),
    ]
    found = summed(records)
    assert (found.rounds, found.chosen, found.effective_weight) == (3, 1, 0.5)


def test_who_is_alone_was_not_chosen() -> None:
    found = summed([record(1, [4], shares=[1.0])])
    assert (found.chosen, found.effective_weight) == (None, 1)


def test_clean_rounds_and_waiting_count_for_false_alarms() -> None:
    def check(scores: list[float], flagged: list[bool]) -> dict[str, Any]:
        return {"norms": {"scores": scores, "flagged": flagged}}

    records = [
        record(1, [1, 4, 5], checks=check([1, 9, 2], [False, True, False])),
        record(2, [1, 2, 5], checks=check([1, 1, 4], [False, False, True])),
        record(3, [1, 4, 5], checks=check([1, 5, 2], [False, True, False]), attack={"acted": False}),
        record(4, [4, 5, 6], checks=check([3, 1, 1], [False, False, False])),
    ]
    found = performance_of(records, "norms")
    assert (found.attacking, found.honest, found.caught, found.false_alarms) == (2, 10, 1, 2)
    assert found.precision == pytest.approx(1 / 3)
    assert found.recall == 0.5
    assert found.false_positive_rate == 0.2
    assert found.roc_auc == (10 + 8) / 20  # 9 is above all 10 innocent scores, 3 above all but 4 and 5
