"""The frozen list of attacks of an audit."""

from typing import Any

import pytest
from auditing import audited

from fedlens.attacks import AlternatingMinimisation, Attack, ExplicitBoosting
from fedlens.core.errors import ConfigError
from fedlens.core.registry import BUILT_IN, build, describe
from fedlens.studies.audit.arms import TURNED, VERSION, Arm, arms_for, digest, frozen
from fedlens.studies.audit.changing import with_attack

FROZEN = {"audit-1": "b2aa64a29fdc9363", "audit-2": "2f47b0c948684f1f"}
"""A list never changes: a new attack, or another value, makes another version."""


def test_the_list_of_a_version_is_frozen() -> None:
    assert digest(frozen()) == FROZEN[VERSION]


def test_the_digest_tells_any_change() -> None:
    arms = frozen()
    changed = [arms[:-1], arms[::-1], (*arms[:-1], Arm("honest")), (Arm("anticipate", {"caution": 1.01}), *arms[1:])]
    assert len({digest(other) for other in (arms, *changed)}) == 5


def test_it_has_every_attack_at_its_defaults_first() -> None:
    first = [arm.attack for arm in frozen() if arm.attack != "anticipate"][: len(TURNED)]
    assert first == list(TURNED)
    assert set(TURNED) == BUILT_IN["attack"].keys() - {"honest", "anticipate"}


def test_every_arm_has_a_name_of_its_own() -> None:
    names = [arm.name for arm in frozen()]
    assert len(set(names)) == len(names)
    assert names[:4] == [
        "anticipate caution=1.0",
        "anticipate caution=0.85",
        "anticipate caution=0.7",
        "anticipate caution=1.0 in the last third",
    ]
    assert "explicit-boosting boost=0.2" in names
    assert "alternating-minimisation rho=0.0001 boost=2" not in names
    assert "alternating-minimisation boost=2 rho=0.0001" in names


@pytest.mark.parametrize(
    ("goal", "has", "lacks"),
    [
        (None, "data-poisoning", "sign-flipping"),
        ("damage", "sign-flipping", "data-poisoning"),
        ("backdoor", "badnets", "dba"),
    ],
)
def test_which_arms_suit_a_goal(goal: Any, has: str, lacks: str) -> None:
    fitting, unfit = arms_for(audited(**({} if goal is None else {"goal": goal})))
    names = {arm.name for arm in fitting}
    assert has in names
    assert lacks in unfit
    assert names | unfit.keys() == {arm.name for arm in frozen()}


def test_boosting_by_the_average_is_a_number_where_the_rule_does_not_average() -> None:
    assert Arm("explicit-boosting").made(audited()) == ExplicitBoosting()
    assert Arm("explicit-boosting").made(audited(aggregation="median")) == ExplicitBoosting(boost=4)
    team = audited(aggregation="median", attack="honest", attackers={"count": 2})
    assert Arm("explicit-boosting").made(team).boost == 2


@pytest.mark.parametrize("changes", [{}, {"goal": "backdoor"}, {"goal": "damage"}])
def test_another_process_reads_every_arm_of_a_rule_that_does_not_average_as_it_was_made(
    changes: dict[str, Any],
) -> None:
    """As those do that play whole federations, which have the experiment's description."""
    experiment = audited(aggregation="median", **changes)
    for arm in arms_for(experiment)[0]:
        attack = describe("attack", made := arm.made(experiment))
        assert build("attack", attack, Attack) == made
        with_attack(experiment, made)


def test_the_last_third_begins_after_two() -> None:
    arm = Arm("explicit-boosting", {"epochs": 2}, "last third")
    assert [arm.made(audited(rounds=rounds)).delay for rounds in (1, 2, 3, 10)] == [1, 2, 3, 7]
    assert arm.name == "explicit-boosting epochs=2 in the last third"


def test_an_arm_turns_into_an_attack() -> None:
    arm = Arm("alternating-minimisation", {"constraint": {"rho": 1e-3}, "boost": 5})
    made = arm.made(audited())
    assert isinstance(made, AlternatingMinimisation)
    assert made.constraint is not None
    assert (made.constraint.rho, made.boost) == (1e-3, 5)
    assert arm.name == "alternating-minimisation boost=5 rho=0.001"


def test_what_is_no_attack_is_refused() -> None:
    with pytest.raises(ConfigError, match="attack: there is no conjuring"):
        Arm("conjuring").made(audited())
