"""Summaries of records made by hand."""

from typing import Any

import pytest

from fedlens.aggregation.krum import Krum
from fedlens.aggregation.mean import Mean
from fedlens.attacks.explicit import ExplicitBoosting
from fedlens.experiment import Experiment
from fedlens.runs.summary import flags, guilty_client, summarise

ATTACKED = Experiment(clients=10, fraction=0.3, attack=ExplicitBoosting(client=4))


def record(round_: int, cohort: list[int], confidence: float = 0.5, **changes: Any) -> dict[str, Any]:
    """A round in which client 4 attacks where it is in the cohort."""
    attacker = 4 in cohort
    target = {"confidence": [confidence], "true_confidence": [1 - confidence], "predicted": [0], "met": 0}
    made: dict[str, Any] = {
        "round": round_,
        "cohort": cohort,
        "attacker": attacker,
        "attack": {"acted": True} if attacker else None,
        "shares": [1 / 3] * 3,
        "checks": {},
        "rejected": [],
        "skipped": None,
        "quality": {"accuracy": 0.8},
        "target": {**target, "success": False},
        "malicious": None,
        "control": None,
    }
    return made | changes


def test_confidence_with_and_without_the_malicious_client() -> None:
    records = [record(1, [1, 4, 5], 0.9), record(2, [1, 2, 3], 0.3), record(3, [0, 4, 6], 0.7)]
    assert summarise(ATTACKED, records, None)["participation"] == {"with": pytest.approx(0.8), "without": 0.3}
    assert summarise(ATTACKED, records[::2], None)["participation"] is None
    assert summarise(ATTACKED, records[1:2], None)["participation"] is None


def test_what_became_of_the_malicious_updates() -> None:
    records = [
        record(1, [1, 4, 5], shares=[0, 1, 0]),
        record(2, [1, 2, 3], shares=[1, 0, 0]),
        record(3, [0, 4, 6], shares=[0.0, 0.0, 1.0]),
        record(4, [3, 4, 6], shares=[0, 0, 0], rejected=[4, 6], skipped="too few"),
    ]
    assert summarise(ATTACKED, records, None)["defence"] == {
        "rounds": 3,
        "rejected": 1,
        "skipped": 1,
        "chosen": 1,
        "share": pytest.approx(1 / 3),
    }


def test_a_share_that_is_no_choice() -> None:
    records = [record(1, [1, 4, 5], shares=[0.2, 0.5, 0.3]), record(2, [4, 5, 6], shares=[0.1, 0.45, 0.45])]
    defence = summarise(ATTACKED, records, None)["defence"]
    assert defence["chosen"] is None
    assert defence["share"] == pytest.approx(0.3)
    unknown = summarise(ATTACKED, [record(1, [1, 4, 5], shares=None)], None)["defence"]
    assert (unknown["chosen"], unknown["share"]) == (None, None)
    assert summarise(ATTACKED, [record(1, [1, 2, 3])], None)["defence"] is None


def test_guilt_is_to_have_acted() -> None:
    assert guilty_client(ATTACKED, record(1, [1, 4, 5])) == 4
    assert guilty_client(ATTACKED, record(1, [1, 4, 5], attack={"acted": False})) is None
    assert guilty_client(ATTACKED, record(1, [1, 2, 5])) is None


def test_clean_rounds_and_waiting_count_for_false_alarms() -> None:
    def check(scores: list[float], flagged: list[bool]) -> dict[str, Any]:
        return {"norms": {"scores": scores, "flagged": flagged}}

    records = [
        record(1, [1, 4, 5], checks=check([1, 9, 2], [False, True, False])),
        record(2, [1, 2, 5], checks=check([1, 1, 4], [False, False, True])),
        record(3, [1, 4, 5], checks=check([1, 5, 2], [False, True, False]), attack={"acted": False}),
        record(4, [4, 5, 6], checks=check([3, 1, 1], [False, False, False])),
    ]
    found = summarise(ATTACKED, records, None)["checks"]["norms"]
    assert (found["guilty"], found["innocent"], found["caught"], found["false_alarms"]) == (2, 10, 1, 2)
    assert found["precision"] == pytest.approx(1 / 3)
    assert found["recall"] == 0.5
    assert found["false_positive_rate"] == 0.2
    assert found["roc_auc"] == (10 + 8) / 20  # 9 is above all 10 innocent scores, 3 above all but 4 and 5


def test_a_rule_that_is_told_the_number_of_attackers_is_flagged() -> None:
    def found(rule: Any, **changes: Any) -> list[str]:
        attack = ExplicitBoosting(boost=2, client=4)
        experiment = Experiment(clients=10, attack=attack, aggregation=rule, **changes)
        return [flag for flag in flags(experiment, [record(1, [1, 4, 5])]) if "oracle" in flag]

    assert found(Krum(f=1)) == ["oracle f: the rule is told the true number of attackers, f = 1"]
    assert found(Krum(f=2)) == found(Mean()) == []


def test_a_rule_that_tells_shares_sometimes() -> None:
    records = [
        record(1, [1, 4, 5], shares=None),
        record(2, [1, 4, 5], shares=[0, 0, 0], skipped="too few"),
        record(3, [1, 4, 5], shares=[0, 1.0, 0]),
    ]
    defence = summarise(ATTACKED, records, None)["defence"]
    assert (defence["rounds"], defence["chosen"], defence["share"]) == (3, 1, 0.5)


def test_who_is_alone_was_not_chosen() -> None:
    defence = summarise(ATTACKED, [record(1, [4], shares=[1.0])], None)["defence"]
    assert (defence["chosen"], defence["share"]) == (None, 1)
