from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small import small

import fedlens
from fedlens.analysis.collect import collect
from fedlens.analysis.comparison import compare
from fedlens.defences.krum import Krum
from fedlens.experiment.flat import Value, flattened, plain_value, shown, value_of

ALTERNATING = {"name": "alternating-minimisation", "boost": 2, "constraint": {"rho": 2}}


def test_options_have_dotted_names_and_components_their_name() -> None:
    flat = flattened(small(clients=6, aggregation=Krum(f=1), checks=["distances"], attack=ALTERNATING))
    assert flat["aggregation"] == "krum"
    assert flat["aggregation.f"] == 1
    assert flat["attack.constraint.norm"] == "l2"
    assert flat["local.batch_size"] == 50
    assert flat["checks"] == "distances"
    assert flat["target.index"] == "none"
    assert "name" not in flat
    assert "about" not in flat


def test_a_component_says_what_is_unusual_about_it() -> None:
    experiment = small(
        clients=6,
        aggregation=Krum(f=1),
        checks=["distances", {"name": "statistics", "bins": 7}],
        attack={"name": "explicit-boosting", "boost": 4.0},
    )
    assert value_of(experiment, "aggregation") == "krum(f=1)"
    assert value_of(experiment, "attack") == "explicit-boosting(boost=4)"
    assert value_of(experiment, "attack.boost") == 4
    assert value_of(experiment, "attack", {"attack.boost", "boost"}) == "explicit-boosting"
    assert value_of(experiment, "aggregation", {"attack.f"}) == "krum(f=1)"
    assert value_of(experiment, "checks") == "distances+statistics(bins=7)"
    assert value_of(experiment, "data") == "digits"


def test_what_is_not_there_is_none_and_what_does_not_apply_is_missing() -> None:
    experiment = small(attack=None)
    assert value_of(experiment, "attack") == flattened(experiment)["attack"] == "none"
    assert value_of(experiment, "checks") == "none"
    assert value_of(experiment, "attack.boost") is None


def test_attackers_are_told_as_written() -> None:
    def told(**attackers: Any) -> dict[str, Any]:
        flat = flattened(small(clients=6, attack={"name": "explicit-boosting", "boost": 2}, attackers=attackers))
        return {name: value for name, value in flat.items() if name.startswith("attackers.")}

    usual = {"attackers.pick": "last", "attackers.schedule": "sampled"}
    assert told(count=2) == usual | {"attackers.count": 2}
    assert told(count=1) == usual | {"attackers.count": 1}
    assert told(share=0.5)["attackers.share"] == 0.5
    assert told(count=2, pick="random")["attackers.pick"] == "random"
    assert told(clients=[1, 2]) == usual | {"attackers.clients": "1+2"}
    two = small(clients=6, attack={"name": "explicit-boosting", "boost": 2}, attackers={"count": 2})
    assert value_of(two, "attackers.clients") == "4+5"


def test_runs_are_compared_by_the_number_of_attackers(tmp_path: Path) -> None:
    for count in (2, 3):
        attack = {"name": "explicit-boosting", "boost": 2}
        experiment = small(clients=6, rounds=1, attack=attack, attackers={"count": count})
        fedlens.run(experiment, tmp_path / f"c{count}", engine="serial")
    collection = collect([tmp_path / "c2", tmp_path / "c3"], {"attackers.count"})
    assert collection.varying == ["attackers.count"]
    assert [group.label for group in compare(collection, ["attackers.count"]).groups] == [
        "attackers.count=2",
        "attackers.count=3",
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [(5.0, "5"), (0.1, "0.1"), (1e-05, "1e-05"), (123456789, "123456789"), (True, "true"), (None, "–"), ("a", "a")],
)
def test_values_are_shown_as_people_write_them(value: Value, words: str) -> None:
    assert shown(value) == words


def test_values_of_tables_become_plain() -> None:
    assert plain_value(np.float64("nan")) is None
    assert plain_value(None) is None
    assert [type(plain_value(value)) for value in (np.int64(3), np.True_, np.float64(2), "a")] == [
        int,
        bool,
        float,
        str,
    ]
