"""What attackers know of the server, as an experiment says it."""

from typing import Any

import pytest

from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.experiment.experiment import Experiment


def trying(rule: Any = None, **changes: Any) -> Experiment:
    """An experiment whose attackers try the server's rule."""
    attackers = {"count": 2} | ({} if rule is None else {"rule": rule})
    return validate(Experiment, {"attack": "adaptive-ipm", "aggregation": "median", "attackers": attackers, **changes})


def test_they_know_the_rule_unless_they_guess() -> None:
    assert trying().assumed == trying().server
    assert str(trying(["bucketing", {"name": "krum", "f": 1}]).assumed) == "bucketing+krum"
    assert Experiment(attack="adaptive-ipm").assumed == Experiment().server
    assert Experiment(attack="sign-flipping").assumed is None
    assert Experiment().assumed is None
    assert trying("mean").twin().assumed is None


def test_what_is_not_said_changes_no_identity() -> None:
    one = Experiment(attack="adaptive-ipm").identity()
    for more in ({"rule": "known"}, {"server_state": "unknown"}, {}):
        assert Experiment(attack="adaptive-ipm", attackers={"count": 1, **more}).identity() == one
        assert trying(attackers={"count": 2, **more}).identity() == trying().identity()
    told = [
        trying(),
        trying("mean"),
        trying("median"),
        trying({"name": "krum", "f": 1}),
        trying({"name": "krum", "f": 2}),
    ]
    told += [trying(attackers={"count": 2, "server_state": "known"}), Experiment(attack="adaptive-ipm")]
    told += [Experiment(attack="adaptive-ipm", attackers={"count": 1, "rule": "mean"})]
    assert len({experiment.identity() for experiment in told}) == len(told)
    assert trying("mean").twin().identity() == trying().twin().identity()


@pytest.mark.parametrize("rule", ["known", "mean", ["bucketing", {"name": "krum", "f": 1}]])
def test_it_is_read_again_as_it_was_written(rule: Any) -> None:
    experiment = trying(rule)
    assert Experiment(**experiment.describe()) == experiment
    assert validate(Experiment, {**experiment.describe()}).identity() == experiment.identity()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"attack": "sign-flipping", "attackers": {"count": 2, "rule": "mean"}},
         "attackers.rule: sign-flipping asks for nothing of the server; .*-o attack=adaptive-ipm"),
        ({"attack": "sign-flipping", "attackers": {"count": 2, "server_state": "known"}}, "attackers.server_state: "),
        ({"aggregation": "fltrust"}, "for fltrust it would need root samples, .*-o attackers.rule=median"),
        ({"aggregation": "fltrust", "attackers": None}, r"-o 'attackers=\{count: 1, rule: median\}'"),
        ({"attackers": {"count": 2, "rule": {"name": "krum", "f": 9}}},
         "attackers.rule: krum needs 21 updates a round, but the cohort has 10; e.g. -o attackers.rule=median"),
        ({"attackers": {"count": 2, "rule": "mean", "server_state": "known"}},
         "server_state: only who knows the rule knows what it keeps; e.g. -o attackers.rule=known"),
        ({"attackers": {"count": 2, "rule": "kram"}}, "attackers.rule: there is no 'kram'; did you mean krum"),
        ({"attackers": {"count": 2, "rule": ["mean", "median"]}},
         r"a chain has one rule; .* -o 'attackers.rule=\[median\]'"),
        ({"attackers": {"count": 2, "rule": ["nnm", "krum"]}},
         r"-o 'attackers.rule=\[{name: nnm, f: 1}, {name: krum, f: 1}\]'"),
    ],
)  # fmt: skip
def test_what_they_cannot_assume_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        trying(**values)
