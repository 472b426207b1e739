"""Who attacks the single rounds of an audit whose clients are sampled."""

from typing import Any

import pytest
from auditors import subject

from fedlens.experiment.setting import prepare
from fedlens.studies.audit.changing import with_attack
from fedlens.studies.audit.probing import Probe
from fedlens.studies.audit.subject import Subject


@pytest.mark.parametrize(
    ("changes", "there"),
    [
        ({}, (7,)),
        ({"attackers": {"clients": [2]}}, (2,)),
        ({"attackers": {"count": 4}}, (4, 5)),  # half of four
        ({"attackers": {"count": 4, "schedule": "every-round"}}, (4, 5, 6, 7)),
    ],
)
def test_attackers_take_part_in_every_single_round(changes: dict[str, Any], there: tuple[int, ...]) -> None:
    """A cohort is half of eight clients; as many attackers are in it as on average."""
    forked = subject(clients=8, fraction=0.5, rounds=6, attack="explicit-boosting", **changes).forked(0)
    assert (forked.team, forked.every_round) == (there, there)
    setting = prepare(with_attack(forked, Probe()))
    assert all(set(there) <= set(setting.cohort(round_)) for round_ in range(1, 7))


def test_where_all_clients_are_chosen_nothing_changes() -> None:
    whole: Subject = subject(attackers={"count": 2}, clients=6, attack="explicit-boosting")
    assert whole.forked(3) == whole.with_seed("search", 3)
