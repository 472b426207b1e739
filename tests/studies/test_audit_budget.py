"""How much of a search fits into an audit's minutes; the seconds of each stage are computed by hand."""

from dataclasses import replace

import pytest
from auditing import audited

from fedlens.studies.audit.arms import Arm
from fedlens.studies.audit.budget import estimated, going_on, planned
from fedlens.studies.audit.pace import Pace, pace_of, sample
from fedlens.studies.audit.schedule import SCHEDULES, SHARES, Schedule, scaled

PACE = Pace(twin=4.0, adaptive=2.0, fixed=0.5, probe=0.25)
SCHEDULE = Schedule(minutes=9, arms=10, seeds=1, kept=4, federations=3, trials=2, finalists=2, verdict=8)
ARMS = [Arm("anticipate", {"caution": caution}) for caution in (1.0, 0.85, 0.7)] + [
    Arm("explicit-boosting", {"boost": boost}) for boost in range(7)
]
EXPERIMENT = audited(rounds=3)  # rounds 1 and 2 are forked


def test_the_stages_by_hand() -> None:
    """A worker begins in 3 s, and a run takes 0.3 s besides its rounds; two workers.

    Inspection: two twins, and 2 rounds with 14 probes and 3 other draws: 3 + 8 + 34 · 0.25.
    Single rounds: 3 s; the first twin, and another to note a second seed; 4 benign rounds of 0.25 s; 3 adaptive arms
    and 7 others in one round, and then 3 of the former and 1 of the latter in the other: (6 · 2 + 8 · 0.5) / 2.
    Federations: of 3 arms one is adaptive in 3 rounds and one in 1; then 2. Each takes 4.3 s and what its attack takes,
    each seed two controls: 3 + 8.6 + (3 · 4.3 + 4 · 2 + 3 · 0.5) / 2, and 3 + 8.6 + (2 · 4.3 + 3 · 2.5) / 2.
    Verdict: two batches of four seeds, 3 + 2 · 8.6 + 4 · 16.1 / 2 each.
    Leaks: 3 s, a twin, six leaks in 2 rounds at once by an adaptive arm, and 2 rounds by two, at once: 3 + 4 + 12 + 4.
    """
    found = estimated(PACE, SCHEDULE, EXPERIMENT, ARMS, jobs=2)
    assert found.inspection == pytest.approx(19.5)
    assert found.forked == pytest.approx(3 + 8 + 1 + 8)
    assert found.federations == pytest.approx(22.8 + 19.65)
    assert found.verdict == pytest.approx(2 * 52.4)
    assert found.leaks == pytest.approx(23)
    assert found.search == pytest.approx(19.5 + 20 + 42.45)


def test_a_slow_machine_begins_slowly() -> None:
    """Five stages or batches before the verdict begin workers, and 9 federations and controls take 0.3 s twice."""
    slow = estimated(replace(PACE, slowness=2.0), SCHEDULE, EXPERIMENT, ARMS, jobs=1)
    usual = estimated(PACE, SCHEDULE, EXPERIMENT, ARMS, jobs=1)
    assert slow.search - usual.search == pytest.approx(4 * 3 + (3 + 2 + 4) * 0.3)


@pytest.mark.parametrize(
    ("federations", "trials", "finalists", "going"),
    [
        (3, 2, 2, [(4 / 3, 1), (1, 1)]),
        (4, 2, 2, [(4 / 3, 2), (1, 1)]),
        (6, 3, 2, [(4 / 3, 4), (1, 2), (1, 1)]),
        (12, 4, 3, [(4 / 3, 10), (1, 5), (1, 2), (1, 2)]),
        (2, 2, 1, [(1, 1), (1, 0)]),
    ],
)
def test_half_of_the_arms_go_on(federations: int, trials: int, finalists: int, going: list[tuple[float, int]]) -> None:
    found = going_on(replace(SCHEDULE, federations=federations, trials=trials, finalists=finalists))
    assert found == [(pytest.approx(bold), fixed) for bold, fixed in going]


def test_the_largest_share_that_fits() -> None:
    whole, _ = planned(PACE, SCHEDULE, EXPERIMENT, ARMS, jobs=2, seconds=81.95 + 1e-9)
    assert (whole.share, whole.schedule, whole.leaks) == (1.0, SCHEDULE, pytest.approx(23))
    less, found = planned(PACE, SCHEDULE, EXPERIMENT, ARMS, jobs=2, seconds=81.9)
    assert less.share == 0.75
    assert less.schedule == scaled(SCHEDULE, 0.75)
    assert found.search <= 81.9


def test_the_least_share_is_taken_where_none_fits() -> None:
    plan, found = planned(PACE, SCHEDULES["standard"], EXPERIMENT, ARMS, jobs=1, seconds=0)
    assert plan.share == SHARES[-1]
    least = plan.schedule
    assert (least.arms, least.seeds, least.kept, least.federations, least.trials) == (9, 1, 3, 3, 1)
    assert (least.finalists, least.verdict) == (2, 48)
    assert found.search > 0


def test_a_share_that_is_asked_for_is_taken_whatever_it_takes() -> None:
    plan, _ = planned(PACE, SCHEDULE, EXPERIMENT, ARMS, jobs=2, seconds=0, share=0.6)
    assert (plan.share, plan.schedule.arms, plan.schedule.kept) == (0.6, 9, 3)


def test_a_share_is_of_the_arms_that_there_are() -> None:
    """Of ten arms that suit, though the schedule would take a thousand."""
    plan, _ = planned(PACE, replace(SCHEDULE, arms=1000), EXPERIMENT, ARMS, jobs=2, seconds=1e9)
    assert plan.schedule.arms == 10


def test_nothing_is_made_larger_than_it_was() -> None:
    tiny = Schedule(minutes=1, arms=2, seeds=1, kept=1, federations=2, trials=1, finalists=1, verdict=4)
    assert scaled(tiny, 0.05) == tiny


def test_the_pace_is_of_one_adaptive_arm_and_of_fixed_ones_from_everywhere() -> None:
    many = [*ARMS[:3], *(Arm("explicit-boosting", {"boost": boost}) for boost in range(60))]
    chosen = sample(many)
    assert chosen[0] == ARMS[0]
    assert [arm.options["boost"] for arm in chosen[1:]] == [0, 10, 20, 30, 40, 50]
    assert pace_of(chosen[:4], [2.0, 0.25, 0.5, 0.75], twin=4.0, slowness=1.5) == Pace(4.0, 2.0, 0.5, 0.25, 1.5)
    assert pace_of(ARMS[:1], [2.0], twin=4.0, slowness=1.0) == Pace(4.0, 2.0, 2.0, 2.0)
    assert pace_of(ARMS[3:4], [0.5], twin=4.0, slowness=1.0) == Pace(4.0, 0.0, 0.5, 0.5)
