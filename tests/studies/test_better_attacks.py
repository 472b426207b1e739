"""Whether one attack is better than others, as `tools/audit_dominance.py` has it."""

from collections.abc import Sequence
from math import inf, log
from pathlib import Path

import audit_dominance
import numpy as np
import pytest
import scipy.stats
from audit_dominance import (
    SEEDS,
    Found,
    Outcome,
    OutOfTime,
    beaten,
    better,
    experiment_of,
    holm,
    larger,
    more_often,
    play,
    row,
    table,
    tried_singly,
)
from audit_dominance import (
    outcomes as outcomes_of,
)
from auditors import OTHER, forked

from fedlens.studies.audit.arms import Arm
from fedlens.studies.audit.federations import Federations, Played
from fedlens.studies.audit.ledger import Ledger
from fedlens.studies.audit.subject import Purpose, Subject
from fedlens.studies.audit.tried import TRIED, Fork, Tried


def outcomes(name: str, counts: list[bool], worths: list[float]) -> list[Outcome]:
    pairs = zip(counts, worths, strict=True)
    return [Outcome(name, number, each, worth) for number, (each, worth) in enumerate(pairs)]


def test_mcnemar_by_hand() -> None:
    """Of five seeds with which one alone succeeded, four or more: (5 + 1) / 32."""
    first = [True] * 4 + [False] + [True, False]
    second = [False] * 4 + [True] + [True, False]
    assert more_often(first, second) == pytest.approx(6 / 32)
    assert more_often(second, first) == pytest.approx(31 / 32)
    assert more_often(first, first) == 1


def test_signed_ranks_by_hand_with_ties_and_equal_pairs() -> None:
    """Differences 1, 1, -2 and 0: ranks 1½, 1½, 3. Of eight ways five sum to 3 or more."""
    assert larger([1, 1, 0, 7], [0, 0, 2, 7]) == pytest.approx(5 / 8)
    assert larger([7, 7], [7, 7]) == 1


def test_signed_ranks_are_scipys_without_ties() -> None:
    values = np.random.default_rng(0).normal(size=(2, 12))
    expected = scipy.stats.wilcoxon(values[0], values[1], alternative="greater", method="exact").pvalue
    assert larger(list(values[0]), list(values[1])) == pytest.approx(expected)


def test_holm_by_hand() -> None:
    """3 · 0.01; 2 · 0.04 is above 1 · 0.05, which therefore is 0.08 as well."""
    assert holm([0.04, 0.01, 0.05]) == pytest.approx([0.08, 0.03, 0.08])
    assert holm([0.6, 0.7]) == [1, 1]


def test_better_is_who_is_better_than_every_finalist() -> None:
    """Twelve of twelve pairs: 2 · ½¹². Against the second finalist, no pair differs."""
    never, always = [False] * 12, [True] * 12
    cells = {
        "weak": outcomes("weak", never, [0.0] * 12),
        "strong": outcomes("strong", always, [9.0] * 12),
        "member": outcomes("member", always, [8.0] * 12),
        "other": outcomes("other", never, [-1.0] * 12),
    }
    zoo = ["member", "other"]
    assert better(cells, ["weak"], zoo)["member"] == pytest.approx((2 / 4096, 2 / 4096))
    assert better(cells, ["weak"], zoo)["other"] == (1, 1)
    assert better(cells, ["weak", "strong"], zoo)["member"] == (1, 1)
    found = Found(["weak", "strong"], ["weak"], tried=40, played=3, wronged=[])
    assert row(found, cells) == [
        "`weak` (0), `strong` (12)",
        "40, 3",
        "none",
        "2: `member` (12)",
        "1.000; 1.000",
        "**0.001** (`strong`, `member`); **0.001** (`strong`, `member`)",
    ]


def test_who_did_better_than_all_that_were_preferred_is_named() -> None:
    first, both = {"round 1": 2.0}, {"round 1": 1.0, "round 2": 5.0}
    assert beaten({"out": first, "on": both}, ["on"]) == ["out"]
    assert beaten({"out": first, "on": both, "best": {"round 1": 3.0, "round 2": 0.0}}, ["on"]) == []
    assert beaten({"last": {"round 1": 1.0, "round 2": 6.0}, "on": both}, ["on"]) == ["last"]
    assert beaten({"last": {"round 1": 1.0, "round 2": 4.0}, "on": both}, ["on"]) == []


def test_what_never_had_an_effect_did_nothing_better(tmp_path: Path) -> None:
    """0.8 without an effect is the others' doing; the round of the planted leak is none of the search's."""
    ledger = Ledger(tmp_path)
    for round_, applied in ((1, False), (2, True)):
        ledger.add("fork", Fork(0, round_, OTHER).key, TRIED, Tried(forked(0.8, applied=applied)))
        ledger.add("fork", Fork(0, round_, Arm("pgd")).key, TRIED, Tried(forked(0.8, applied=False)))
    leak = Fork(0, 2, Arm("pgd"), eta=0.3)
    ledger.add(leak.kind, leak.key, TRIED, Tried(forked(0.9)))
    assert tried_singly(tmp_path, Subject.of(experiment_of("krum", "digits"), 0.03)) == {
        OTHER.name: pytest.approx({"seed 0, round 1": log(4), "seed 0, round 2": log(4)}),
        "pgd": {"seed 0, round 1": -inf, "seed 0, round 2": -inf},
    }


def test_a_seed_of_which_nothing_can_be_told_is_passed_over_and_nothing_is_played_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def played(_: Federations, arms: Sequence[Arm], purpose: Purpose, numbers: Sequence[int]) -> list[Played]:
        assert purpose == "verdict"
        asked.extend((number, len(arms)) for number in numbers)
        return [Played(arm, number, "", None, unjudged=number == 1) for number in numbers for arm in arms]

    def stop_at_the_third(_: str) -> None:
        if len(asked) == 3:
            raise OutOfTime

    found = Found(["anticipate caution=0.7", "pgd boost=2"], ["anticipate caution=0.7"], tried=2, played=2, wronged=[])
    fitting = [Arm("anticipate", {"caution": 0.7}), Arm("pgd"), Arm("dba"), Arm("pgd", {"boost": 2})]
    monkeypatch.setattr(audit_dominance, "arms_for", lambda _: (fitting, {}))
    monkeypatch.setattr(Federations, "played", played)
    monkeypatch.setattr(audit_dominance, "searched", lambda *_: found)
    subject, name = Subject.of(experiment_of("median", "digits"), 0.03), "median-digits"
    with pytest.raises(OutOfTime):
        play(tmp_path, Ledger(tmp_path), name, subject, adaptive=False, tell=stop_at_the_third)
    assert table(Ledger(tmp_path)).count("\n") == 1  # the head alone
    ledger = Ledger(tmp_path)
    play(tmp_path, ledger, name, subject, adaptive=False, tell=lambda _: None)
    assert asked == [(number, 3) for number in range(SEEDS + 1)]  # two attacks at their defaults, and the finalist
    assert (
        table(ledger).splitlines()[2].startswith("| median, digits | `anticipate caution=0.7` (–), `pgd boost=2` (0) |")
    )
    play(tmp_path, ledger, name, subject, adaptive=True, tell=lambda _: None)
    assert asked[SEEDS + 1 :] == [(number, 1) for number in range(SEEDS + 1)]
    every = outcomes_of(ledger, name)
    assert len(every) == 4
    assert [one.number for one in every["pgd boost=2"]] == [0, *range(2, SEEDS + 1)]
    assert table(ledger).splitlines()[2] == (
        "| median, digits | `anticipate caution=0.7` (0), `pgd boost=2` (0) | 2, 2 | none | 2: `pgd` (0) "
        "| 1.000; 1.000 | 1.000; 1.000 |"
    )
