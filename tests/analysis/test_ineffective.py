"""An attack without any effect is flagged, and none that has one or merely fails."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.recorded import ATTACKED, control, record
from small import small

import fedlens
from fedlens.analysis.flags import common, flags
from fedlens.analysis.ineffective import ineffective
from fedlens.runs.record import ControlRecord, RoundRecord

WORDS = "the attack has no effect: in each of its 2 rounds the global model answers exactly as the benign twin's does"


def without_effect(round_: int, **values: Any) -> RoundRecord:
    made = record(round_, [1, 4, 5], **values)
    return replace(made, twin=ControlRecord(made.quality, made.target))


def test_it_is_flagged_where_all_is_as_in_the_twin() -> None:
    rounds = [without_effect(1), without_effect(2)]
    assert ineffective(rounds) == WORDS
    assert WORDS in flags(ATTACKED, rounds)
    assert common([flags(ATTACKED, rounds), flags(ATTACKED, rounds[:1])])[0] == "the attack has no effect (2 of 2 runs)"


def test_it_says_if_the_server_took_nothing() -> None:
    rounds = [without_effect(number, shares=[0.5, 0, 0.5]) for number in (1, 2)]
    assert ineffective(rounds) == f"{WORDS}, for the server took nothing of what the attack sent"


def test_one_digit_of_one_round_is_an_effect() -> None:
    same, other = without_effect(1), without_effect(2)
    assert other.twin is not None
    assert other.target is not None
    slightly = replace(other.quality, loss=other.quality.loss * (1 + 1e-15))
    assert slightly != other.quality
    sure = replace(other.target, confidence=[0.5000000001])
    for twin in (replace(other.twin, quality=slightly), replace(other.twin, target=sure), None):
        assert ineffective([same, replace(other, twin=twin)]) is None
    assert ineffective([record(1, [1, 4, 5], control=control(0.1))]) is None


def test_who_never_acted_is_told_of_elsewhere() -> None:
    made = record(1, [1, 2, 5])
    assert ineffective([replace(made, twin=ControlRecord(made.quality, made.target))]) is None


@pytest.mark.parametrize("attackers", [None, {"count": 2}])
def test_an_attack_that_sends_what_is_honest_has_none(attackers: Any, tmp_path: Path) -> None:
    honest = small(attack="honest", attackers=attackers, control=True, rounds=2)
    assert WORDS in fedlens.run(honest, tmp_path / "honest", engine="serial").flags
    boosted = small(attackers=attackers, control=True, rounds=2)
    assert not [flag for flag in fedlens.run(boosted, tmp_path / "run", engine="serial").flags if "no effect" in flag]
