"""Several attackers, in records made by hand: what is summed up over them, and what is flagged."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from helpers.recorded import record

from fedlens.analysis import stealth
from fedlens.analysis.defence import defence, performance_of
from fedlens.analysis.flags import flags
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.defences.krum import Krum
from fedlens.experiment.experiment import Experiment
from fedlens.report.words import attackers_words
from fedlens.runs.consistency import misfits
from fedlens.runs.metadata import TargetRecord
from fedlens.runs.parse_records import parsed_round
from fedlens.runs.record import VERSION, AttackRecord, RoundRecord
from fedlens.runs.record_values import taken

TEAM = {4, 5, 6}
EXPERIMENT = Experiment(clients=40, fraction=0.1, attack=ExplicitBoosting(), attackers={"clients": [4, 5, 6]})


def team_record(round_: int, cohort: list[int], *, waits: tuple[int, ...] = (), **values: Any) -> RoundRecord:
    """A round in which clients 4, 5 and 6 attack where they are in the cohort, but for those that wait."""
    made = record(round_, cohort, **values)
    clients = []
    for client in made.clients:
        reason = "delay" if client.client in waits else None
        attack = AttackRecord(reason is None, reason, 0.1)
        malicious = replace(client, attack=attack, model=made.quality)
        clients.append(malicious if client.client in TEAM else client)
    return replace(made, clients=clients)


def test_a_record_lists_its_attackers() -> None:
    made = team_record(1, [1, 4, 5, 6], waits=(5,), shares=[0.1, 0.2, 0.3, 0.4])
    assert [client.client for client in made.malicious_clients] == [4, 5, 6]
    assert [client.client for client in made.attackers] == [4, 6]
    assert made.malicious_weight == pytest.approx(0.9)
    assert made.malicious_model == made.quality
    assert team_record(1, [1, 4], shares=None).malicious_weight is None
    none = team_record(1, [1, 2], shares=[0.5, 0.5])
    assert (none.malicious_clients, none.malicious_weight, none.malicious_model, none.attacker) == (
        [],
        None,
        None,
        None,
    )


def test_it_is_read_again_as_it_was() -> None:
    made = replace(team_record(1, [1, 4, 5, 6], waits=(5,)), version=VERSION)
    assert parsed_round(json.dumps(made.plain()).encode()) == made


def test_an_attack_of_somebody_else_is_a_fault() -> None:
    made = team_record(1, [1, 4, 5, 6])
    target = TargetRecord([0], [0], [1], ["a", "b"])
    assert list(misfits(EXPERIMENT, [made], target)) == []
    other = Experiment(clients=40, fraction=0.1, attack=ExplicitBoosting(), attackers={"clients": [4, 5]})
    assert list(misfits(other, [made], target)) == [(0, "client 6: attack: the malicious clients are 4, 5")]


def test_what_became_of_a_teams_updates() -> None:
    records = [
        team_record(1, [1, 4, 5], shares=[0.5, 0.3, 0.2]),
        team_record(2, [1, 4, 5], shares=[0.6, 0.4, 0], rejected=[5]),
        team_record(3, [1, 2, 5, 6], shares=[1, 0, 0, 0], rejected=[2, 5, 6]),
        team_record(4, [1, 2, 3], shares=[0.5, 0.5, 0], rejected=[3]),
    ]
    found = defence(records)
    assert found is not None
    assert (found.rounds, found.rejected, found.skipped) == (3, 1, 0)
    assert found.effective_weight == pytest.approx((0.5 + 0.4 + 0) / 3)
    assert (found.precision, found.recall) == (pytest.approx(3 / 5), pytest.approx(3 / 6))
    assert taken(records[:1]) is True
    assert taken(records[2:]) is False


def test_a_check_is_measured_against_the_whole_team() -> None:
    def check(scores: list[float], flagged: list[bool]) -> dict[str, Any]:
        return {"norms": {"scores": scores, "flagged": flagged}}

    records = [
        team_record(1, [1, 4, 5], checks=check([1, 9, 2], [False, True, False])),
        team_record(2, [1, 5, 6], waits=(6,), checks=check([1, 3, 5], [False, True, True])),
    ]
    found = performance_of(records, "norms")
    assert (found.attacking, found.honest, found.caught, found.false_alarms) == (3, 3, 2, 1)
    assert (found.precision, found.recall) == (2 / 3, 2 / 3)


def measured(made: RoundRecord, numbers: Mapping[int, Mapping[str, float | list[float]]]) -> RoundRecord:
    return replace(made, clients=[replace(one, measured=dict(numbers[one.client])) for one in made.clients])


RANGES: dict[int, dict[str, float | list[float]]] = {
    1: {"range": [1, 9], "others": [1, 9], "sparsity": 0.1},
    2: {"range": [1, 9], "others": [1, 9], "sparsity": 0.2},
    4: {"range": [1, 9], "others": [2, 9], "sparsity": 0.4},
    5: {"range": [1, 8], "others": [2, 9], "sparsity": 0.5},
}
"""As of all updates: attackers 4 and 5 are close to each other, and far from the benign clients 1 and 2."""


def test_distances_of_a_team_by_hand() -> None:
    among = {"among_benign": [2, 3]}
    apart = {4: RANGES[4] | among | {"to_benign": [7, 9]}, 5: RANGES[5] | among | {"to_benign": [6, 8]}}
    made = measured(team_record(1, [1, 2, 4, 5]), RANGES | apart)
    assert stealth.distance_ranges(made) == ([6, 9], [2, 3])
    assert stealth.distance_gap(made) == 6 - 3
    assert stealth.statistic(made, "sparsity") == (pytest.approx(0.45), pytest.approx(0.15))


def test_ranges_of_all_updates_do_not_tell_a_teams_distances() -> None:
    made = measured(team_record(1, [1, 2, 4, 5]), RANGES)
    assert (stealth.distance_ranges(made), stealth.distance_gap(made), stealth.are_unknown(made)) == (None, None, True)
    alone = measured(team_record(1, [1, 2, 4, 5], waits=(5,)), RANGES)
    assert (stealth.distance_ranges(alone), stealth.are_unknown(alone)) == (([1, 9], [2, 9]), False)


# Red flags


def flagged(records: list[RoundRecord], **changes: Any) -> list[str]:
    values = {"clients": 40, "fraction": 0.1, "attack": ExplicitBoosting(boost=2), "attackers": {"clients": [4, 5, 6]}}
    return flags(Experiment(**{**values, **changes}), records)


def test_a_large_share_is_that_of_the_team() -> None:
    records = [team_record(1, [1, 2, 3, 4])]
    words = "3 clients in 20 are malicious (15 %); above 10 % is rarely realistic"
    assert words in flagged(records, clients=20, fraction=0.2)
    assert not any("rarely realistic" in flag for flag in flagged(records, clients=30, fraction=0.13))


def test_a_cohort_that_is_half_malicious() -> None:
    records = [team_record(1, [1, 2, 4, 5]), team_record(2, [1, 2, 3, 4]), team_record(3, [1, 4, 5, 6])]
    assert "half of the cohort or more is malicious in 2 of 3 rounds" in flagged(records)
    assert not any("half of the cohort" in flag for flag in flagged(records[1:2]))
    alone = [team_record(1, [4])]
    assert "half of the cohort or more is malicious in 1 of 1 round" in flagged(alone)
    single = {"attackers": {"clients": [4]}}
    assert not any("half of the cohort" in flag for flag in flagged(alone, **single))


def test_a_majority_does_not_hide_that_the_rule_is_told_less() -> None:
    records = [team_record(1, [4, 5, 6, 7, 8]), team_record(2, [1, 2, 3, 4, 5])]
    found = flagged(records, aggregation=Krum(f=1), fraction=0.125)
    assert "half of the cohort or more is malicious in 1 of 2 rounds" in found
    assert "more attackers than the rule is told (f = 1) take part in 2 of 2 rounds" in found


def test_more_attackers_than_the_rule_is_told() -> None:
    cohort = [1, 2, 3, 7, 8, 4, 5]
    records = [team_record(1, cohort), team_record(2, [*cohort[:5], 4, 9])]
    rule = {"aggregation": Krum(f=1), "fraction": 0.175}
    assert "more attackers than the rule is told (f = 1) take part in 1 of 2 rounds" in flagged(records, **rule)
    assert not any("rule is told" in flag for flag in flagged(records[1:], **rule))
    assert not any("oracle" in flag for flag in flagged(records, **rule))
    known = flagged(records, aggregation=Krum(f=3), fraction=0.25)
    assert "oracle f: the rule knows the true number of attackers, f = 3" in known
    assert not any("rule is told" in flag for flag in known)


def test_the_stage_that_is_told_least_gives_way_first() -> None:
    records = [team_record(1, [1, 2, 3, 7, 8, 4, 5])]
    for told, words in (((3, 1), "(f = 1) take part in 1 of 1 round"), ((1, 3), "(f = 1) take"), ((3, 2), "")):
        chain = [{"name": "nnm", "f": told[0]}, {"name": "trimmed-mean", "f": told[1]}]
        found = flagged(records, aggregation=chain, fraction=0.175)
        assert any("rule is told" in flag and words in flag for flag in found) == bool(words)
        assert "oracle f: the rule knows the true number of attackers, f = 3" in found


class Team(ExplicitBoosting):
    sight = "team"


def test_sight_beyond_its_own() -> None:
    records = [team_record(1, [1, 2, 3, 4])]
    assert "the attackers see the honest updates of their team" in flagged(records, attack=Team(boost=2))
    everybody = {"name": "inner-product-manipulation", "eps": 1}
    words = "the attack is omniscient: it sees the other clients' updates"
    assert words in flagged(records, attack=everybody)
    assert words not in flagged(records)


def test_knowledge_of_the_server() -> None:
    records, rule = [team_record(1, [1, 2, 3, 4])], {"name": "trimmed-mean", "f": 1}
    everything = {"attack": "adaptive-ipm", "aggregation": rule}
    knows, state = "the attack knows the server's rule", "the attack knows what the server keeps from round to round"
    flags_ = flagged(records, **everything)
    assert (knows in flags_, state in flags_) == (True, False)
    flags_ = flagged(records, **everything, attackers={"count": 3, "server_state": "known"})
    assert (knows in flags_, state in flags_) == (True, True)
    assert knows in flagged(records, **everything, attackers={"count": 3, "rule": rule}), "a guess that is right"
    flags_ = flagged(records, **everything, attackers={"count": 3, "rule": ["bucketing", "median"]})
    assert "the attack takes the server's rule for bucketing+median, which it is not" in flags_
    assert knows not in flags_
    assert not any("server" in flag for flag in flagged(records))


def test_attackers_that_were_never_there_or_never_acted() -> None:
    assert "no malicious client was ever chosen" in flagged([team_record(1, [1, 2, 3])])
    assert "no malicious client ever acted" in flagged([team_record(1, [1, 4, 5], waits=(4, 5))])


def test_updates_of_a_wrong_shape_are_counted_by_rounds() -> None:
    made = team_record(1, [1, 4, 5], malformed=[4, 5], rejected=[4, 5])
    log = {"malformed": "of shape [2]"}
    clients = [replace(one, attack=one.attack and replace(one.attack, log=log)) for one in made.clients]
    words = "malicious clients sent updates that were rejected in 1 round: of shape [2]"
    assert words in flagged([replace(made, clients=clients)])


def test_updates_that_are_not_finite_are_the_attackers_own_doing() -> None:
    assert not any("not finite" in flag for flag in flagged([team_record(1, [1, 4, 5], malformed=[5], rejected=[5])]))
    assert any(
        "honest clients sent" in flag for flag in flagged([team_record(1, [1, 4, 5], malformed=[1], rejected=[1])])
    )


@pytest.mark.parametrize(
    ("attackers", "words"),
    [(None, "client 39"), ({"clients": [3]}, "client 3"), ({"count": 2}, "clients 38 and 39"),
     ({"clients": [9, 2, 5]}, "clients 2, 5 and 9"), ({"count": 12}, "12 clients")],
)  # fmt: skip
def test_attackers_in_words(attackers: Any, words: str) -> None:
    assert attackers_words(Experiment(clients=40, attack="explicit-boosting", attackers=attackers)) == words
