"""Who attacks: the ways to say so, what tells experiments apart by it, and cohorts with all attackers in them."""

import re
import shlex
from typing import Any

import pytest
from small import small

from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.defences.krum import Krum
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.runs.loading import override

VALUES = {"clients": 10, "fraction": 0.5, "attack": "explicit-boosting"}


def attacked(attackers: Any = None, **changes: Any) -> Experiment:
    """Ten clients, five a round, some of whom attack."""
    return validate(Experiment, {**VALUES, "attackers": attackers, **changes})


def by_client(client: int | None) -> Experiment:
    """The same with one attacker, said in the way of 0.1."""
    return validate(Experiment, {**VALUES, "attack": ExplicitBoosting(client=client)})


@pytest.mark.parametrize(
    ("attackers", "team"),
    [
        (None, (9,)),
        ({"count": 1}, (9,)),
        ({"count": 3}, (7, 8, 9)),
        ({"clients": [4, 0]}, (0, 4)),
        ({"share": 0.2}, (8, 9)),
        ({"share": 0.25}, (7, 8, 9)),  # half of a client is one
        ({"share": 0.24}, (8, 9)),
        ({"share": 0.001}, (9,)),
    ],
)
def test_who_attacks_by_hand(attackers: Any, team: tuple[int, ...]) -> None:
    assert attacked(attackers).team == team


def test_nobody_attacks_without_attack() -> None:
    assert Experiment().team == ()
    assert attacked({"count": 2}).twin().team == ()


def test_attackers_picked_at_random_depend_on_the_seed_alone() -> None:
    teams = {
        seed: attacked({"count": 3, "pick": "random"}, seed=seed, rounds=seed + 1).team for seed in range(20)
    }  # fmt: skip
    assert teams[7] == attacked({"share": 0.3, "pick": "random"}, seed=7, local={"epochs": 1}).team
    assert all(len(set(team)) == 3 and list(team) == sorted(team) for team in teams.values())
    assert {client for team in teams.values() for client in team} == set(range(10))
    assert len(set(teams.values())) > 10


# Identity


def test_one_attacker_is_told_as_0_1_told_it() -> None:
    for attackers in ({"count": 1}, {"share": 0.1}, {"count": 1, "pick": "last"}):
        assert attacked(attackers).identity() == by_client(None).identity()
    assert attacked({"clients": [4]}).identity() == by_client(4).identity()
    assert attacked({"clients": [9]}).identity() == by_client(9).identity() != by_client(None).identity()
    random = attacked({"count": 1, "pick": "random"})
    assert random.identity() == by_client(random.team[0]).identity()
    assert "attackers" not in by_client(4).relevant()


def test_a_team_has_one_identity_however_it_is_said() -> None:
    ways = [{"count": 2}, {"share": 0.2}, {"clients": [8, 9]}, {"clients": [9, 8]}]
    assert len({attacked(way).identity() for way in ways}) == 1
    others = [{"count": 3}, {"clients": [0, 9]}, {"count": 2, "schedule": "every-round"}, {"count": 1}]
    assert len({attacked(way).identity() for way in [ways[0], *others]}) == 5


def test_the_schedule_tells_nothing_where_everybody_takes_part() -> None:
    sampled, always = (attacked({"count": 2, "schedule": word}, fraction=1) for word in ("sampled", "every-round"))
    assert sampled.identity() == always.identity()
    assert sampled.twin() == always.twin()


# Controls


def test_teams_share_the_twin_of_one_attacker_unless_they_are_always_there() -> None:
    twin = by_client(None).twin()
    assert attacked({"count": 3}).twin() == twin == attacked({"clients": [0]}).twin()
    always = attacked({"count": 3, "schedule": "every-round"}).twin()
    assert (always.attack, always.attackers, always.present) == (None, None, (7, 8, 9))
    assert always.identity() != twin.identity()
    assert always == always.twin() == attacked({"clients": [9, 7, 8], "schedule": "every-round"}).twin()
    assert validate(Experiment, always.describe()) == always
    assert validate(Experiment, always.describe() | {"control": True}).leaves_twin


def test_the_whole_team_is_absent_from_the_placebo() -> None:
    krum = {"aggregation": Krum(f=1), "attack": ExplicitBoosting(boost=2), "clients": 20}
    for schedule in ("sampled", "every-round"):
        experiment = attacked({"clients": [3, 5], "schedule": schedule}, **krum)
        placebo = experiment.controls["placebo"]
        assert placebo.absent == (3, 5)
        assert placebo.present == ((3, 5) if schedule == "every-round" else ())
        assert validate(Experiment, placebo.describe()) == placebo
    assert attacked({"clients": [3]}, **krum).without_attacker() == (
        attacked(None, **krum | {"attack": ExplicitBoosting(boost=2, client=3)}).without_attacker()
    )


# Cohorts


def test_attackers_are_in_every_cohort_and_in_the_twins() -> None:
    always = {"clients": 20, "fraction": 0.25, "attackers": {"clients": [4, 11], "schedule": "every-round"}}
    setting, twin = prepare(small(**always)), prepare(small(**always).twin())
    cohorts = [setting.cohort(round_) for round_ in range(1, 41)]
    assert all(len(set(cohort)) == 5 and cohort == sorted(cohort) and {4, 11} <= {*cohort} for cohort in cohorts)
    assert {client for cohort in cohorts for client in cohort} == set(range(20))
    assert len(set(map(tuple, cohorts))) > 30
    assert [twin.cohort(round_) for round_ in range(1, 41)] == cohorts


def test_sampled_attackers_change_no_cohort() -> None:
    plain = prepare(small(clients=20, fraction=0.25, attack=None))
    team = prepare(small(clients=20, fraction=0.25, attackers={"count": 4}))
    assert [plain.cohort(round_) for round_ in range(20)] == [team.cohort(round_) for round_ in range(20)]


def test_a_team_as_large_as_the_cohort_is_all_of_it() -> None:
    setting = prepare(small(clients=8, fraction=0.25, attackers={"clients": [1, 6], "schedule": "every-round"}))
    assert [setting.cohort(round_) for round_ in (1, 2, 3)] == [[1, 6]] * 3


# What cannot be

REFUSED = [
    ({"attackers": {}}, "attackers: give one of count, share and clients, to say who attacks"),
    ({"attackers": {"count": 2, "share": 0.2}}, "attackers: give one of count, share and clients, not count and share"),
    ({"attackers": {"schedule": "every-round"}}, "attackers: give one of"),
    ({"attackers": {"count": 10}}, "attackers: 10 of 10 clients leave no honest one"),
    ({"attackers": {"count": 1}, "clients": 1, "fraction": 1}, "attackers: 1 of 1 clients leave no honest one"),
    ({"attackers": {"share": 0.96}}, "attackers: 10 of 10 clients leave no honest one"),
    ({"attackers": {"clients": [*range(10)]}}, "attackers: 10 of 10 clients leave no honest one"),
    ({"attackers": {"share": 0}}, "attackers.share: a number greater than 0 is needed, not 0"),
    ({"attackers": {"share": 1}}, "attackers.share: a number less than 1 is needed, not 1"),
    ({"attackers": {"count": 0}}, "attackers.count: a number greater than 0 is needed, not 0"),
    ({"attackers": {"clients": []}}, "attackers.clients: a list of at least 1 is needed, not []"),
    ({"attackers": {"clients": [-1]}}, "attackers.clients.0: a number greater than or equal to 0 is needed, not -1"),
    ({"attackers": {"clients": [3, 10]}}, "attackers.clients: there is no client 10; the last is 9"),
    ({"attackers": {"clients": [10]}}, "attackers.clients: there is no client 10; the last is 9"),
    ({"attackers": {"clients": [3, 3, 4]}}, "attackers.clients: each can be named once, not 3, 3, 4"),
    ({"attackers": {"clients": [3], "pick": "random"}}, "attackers.pick: the clients are named already"),
    ({"attackers": {"count": 2, "pick": "first"}}, "attackers.pick: "),
    ({"attackers": {"count": 6, "schedule": "every-round"}}, "attackers.schedule: every-round has all 6 attackers in"),
    ({"attackers": {"count": 2}, "attack": {"name": "explicit-boosting", "client": 3}}, "attackers: attack.client = 3"),
    ({"attackers": {"count": 2}, "attack": "none"}, "attackers: there is no attack"),
    ({"attackers": 3}, "attackers has options of its own"),
]


@pytest.mark.parametrize(("changes", "words"), REFUSED)
def test_attackers_that_cannot_be(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(Experiment, {**VALUES, **changes})
    text = str(caught.value)
    assert text.startswith(words)
    pasted = [shlex.split(option)[0] for option in re.findall(r"-o ('[^']+'|[^\s;]+[^\s;,.])", text)]
    assert pasted, "every refusal says what to paste"
    assert "\n" not in text
    for option in pasted[:1]:
        validate(Experiment, override({**VALUES, **changes}, [option]))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"present": [10]}, "present: there is no client 10; the last is 9"),
        ({"present": [1, 1]}, "present: each client can be named once, not 1, 1"),
        ({"present": [1], "attack": "explicit-boosting"}, "present: goes without attack only"),
        ({"present": [0, 1, 2, 3, 4, 5], "fraction": 0.5}, "present: 6 clients do not fit a cohort of 5"),
    ],
)
def test_clients_that_cannot_always_be_present(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(Experiment, changes)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("attackers", "boost"),
    [
        (None, 5),
        ({"count": 1}, 5),
        ({"count": 4}, 2),
        ({"count": 3, "schedule": "every-round"}, 2),
        ({"count": 2, "schedule": "every-round"}, 2),
    ],
)
def test_a_rule_that_does_not_average_is_told_a_boost_for_the_team(
    attackers: dict[str, Any] | None, boost: int
) -> None:
    with pytest.raises(ConfigError, match=f"e.g. -o attack.boost={boost}$"):
        validate(
            Experiment,
            {
                "data": "digits",
                "clients": 10,
                "fraction": 0.5,
                "aggregation": "median",
                "attack": "explicit-boosting",
                "attackers": attackers,
            },
        )
