from typing import Any, ClassVar

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fedlens.attacks.attack import Attack
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.data.digits import Digits
from fedlens.data.partition import Dirichlet
from fedlens.defences.detector import Detector
from fedlens.defences.mean import Mean
from fedlens.defences.rule import Rule
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.failures import Failures
from fedlens.goals.target_samples import Target
from fedlens.models.cnn import SmallCnn
from fedlens.runs.loading import load_experiment, parse_yaml
from fedlens.training.local import LocalTraining


class Pick(Rule):
    """A rule that does not average."""


class Halve(Rule):
    """Another rule that averages."""

    averages: ClassVar[bool] = True


class Silent(Attack):
    pass


class Needy(Rule):
    """A rule that wants five updates."""

    averages: ClassVar[bool] = True

    @property
    def minimum(self) -> int:
        return 5


class Suspect(Detector):
    """A check without validation."""


class Validate(Detector):
    """A check with validation."""

    validates: ClassVar[bool] = True


OTHER: dict[str, Any] = {
    "seed": 1,
    "data": Digits(),
    "partition": Dirichlet(),
    "model": SmallCnn(),
    "clients": 9,
    "fraction": 0.5,
    "rounds": 9,
    "stop_at": 0.9,
    "local": LocalTraining(epochs=4),
    "checks": (Suspect(action="reject"),),
    "record": ("distances",),
    "metrics": ("f1",),
    "validation": 500,
    "root": 50,
    "aggregation": Halve(),
    "attack": Silent(),
    "target": Target(r=2),
    "control": False,
    "placebo": False,
    "failures": Failures(dropout=0.1),
    "sample_counts": "known",
}
"""For each field that changes the result a value that is not the default."""

UNLIKE_ITS_TWIN = {"attack", "target", "control", "placebo", "stop_at", "record", "metrics", "sample_counts"}

EXPERIMENTS = [
    Experiment(),
    Experiment(
        attack=ExplicitBoosting(boost=3, client=2, hold_off=0.5, threshold=None), name="a.b-c+1", about="Ünï: #"
    ),
    Experiment(attack=Silent(), target=Target(index=(4, 2)), clients=100, fraction=0.1),
    Experiment(local=LocalTraining(steps=7, optimizer="sgd"), partition=Dirichlet(alpha=0.1), stop_at=0.5),
    Experiment(target=Target(select="resistant", source="5", target=3, r=4), data=Digits(), model=SmallCnn()),
    Experiment(aggregation=Pick(), attack=Silent(boost=1e-5), control=False),
    Experiment(**OTHER),
    Experiment(attack=Silent(client=3), data=Digits()).without_attacker(),
]


def refusal(**values: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        validate(Experiment, values)
    return str(caught.value)


def test_the_table_above_has_every_field() -> None:
    of_attackers = {"attackers", "absent", "present"}  # which tests of their own have: test_attackers
    assert set(OTHER) == set(Experiment.model_fields) - {"name", "about", "goal"} - of_attackers  # test_goal has that


# What cannot be


@pytest.mark.parametrize(("clients", "fraction"), [(3, 0.1), (1, 0.49), (100, 0.004)])
def test_a_cohort_has_a_client(clients: int, fraction: float) -> None:
    text = refusal(clients=clients, fraction=fraction)
    assert text.startswith(f"fraction: {fraction} of {clients} clients is {fraction * clients:g}, less than one client")
    assert text.endswith("; e.g. -o fraction=1")


@pytest.mark.parametrize(
    ("clients", "fraction", "size"),
    [(10, 1, 10), (100, 0.1, 10), (10, 0.25, 3), (10, 0.24, 2), (1, 0.5, 1), (1000, 0.001, 1), (30, 0.1, 3)],
)
def test_cohort_size_by_hand(clients: int, fraction: float, size: int) -> None:
    assert Experiment(clients=clients, fraction=fraction).cohort_size == size


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_min=True))
def test_a_cohort_is_neither_empty_nor_more_than_all(clients: int, fraction: float) -> None:
    if fraction * clients >= 0.5:
        assert 1 <= Experiment(clients=clients, fraction=fraction).cohort_size <= clients
    else:
        with pytest.raises(ConfigError, match="less than one client"):
            Experiment(clients=clients, fraction=fraction)


def test_the_malicious_client_is_the_last_one_unless_it_is_named() -> None:
    assert Experiment(clients=7).malicious == 6
    assert Experiment(clients=7, attack=Silent()).malicious == 6
    assert Experiment(clients=7, attack=Silent(client=0)).malicious == 0
    assert Experiment(clients=7, attack=Silent(client=6)).malicious == 6


def test_there_is_no_such_malicious_client() -> None:
    text = refusal(clients=7, attack={"name": "explicit-boosting", "client": 7})
    assert text == "attack.client: there is no client 7; the last is 6, -o attack.client=6"


def test_a_cohort_is_enough_for_the_rule() -> None:
    text = refusal(clients=8, fraction=0.5, aggregation=Needy())
    assert "needs 5 updates a round, but the cohort has 4" in text
    assert text.endswith("raise clients or fraction, e.g. -o clients=10")
    assert Experiment(clients=10, fraction=0.5, aggregation=Needy()).cohort_size == 5


def test_a_check_is_given_once() -> None:
    assert refusal(checks=[Suspect(), Suspect()]).startswith("checks: each can be given once")
    assert Experiment(checks=(Suspect(), Validate())).detectors.keys() == {
        f"{__name__}:Suspect",
        f"{__name__}:Validate",
    }


def test_samples_are_set_apart_where_a_check_validates() -> None:
    assert Experiment().set_apart == 0
    assert Experiment(checks=(Suspect(),)).set_apart == 0
    assert Experiment(checks=(Validate(),)).set_apart == 2000
    assert Experiment(checks=(Validate(),), validation=300).set_apart == 300
    assert Experiment(validation=300).set_apart == 300


@pytest.mark.parametrize(
    ("samples", "count"), [(3, 1), (600, 60), (1_437, 143), (19_999, 1_999), (20_000, 2000), (60_000, 2000)]
)
def test_by_default_at_most_a_tenth_of_the_samples_is_set_apart(samples: int, count: int) -> None:
    checked = Experiment(checks=(Validate(),))
    settled = checked.settled(samples)
    assert settled.set_apart == settled.twin().set_apart == settled.without_attacker().set_apart == count
    assert settled.twin() == Experiment(checks=(Validate(),), validation=count).twin()
    assert Experiment(checks=(Validate(),), validation=700).settled(samples).set_apart == 700
    assert Experiment(checks=(Suspect(),)).settled(samples) == Experiment(checks=(Suspect(),))


def test_where_2000_fit_nothing_has_changed_its_identity() -> None:
    checked = Experiment(checks=(Validate(),))
    assert checked.relevant()["validation"] is None
    assert checked.settled(26_048).twin().identity() == checked.twin().identity()
    assert checked.twin().relevant()["validation"] == 2000


def test_a_twin_leaves_out_what_only_observes_but_not_the_samples_set_apart() -> None:
    plain = Experiment().twin()
    assert Experiment(checks=(Suspect(),)).twin() == plain
    assert Experiment(checks=(Validate(),)).twin() == Experiment(validation=2000).twin()
    rejecting = Suspect(action="reject")
    assert Experiment(checks=(rejecting, Validate())).twin().checks == (rejecting,)
    assert Experiment(checks=(rejecting,)).twin() != plain


def test_boosting_by_auto_wants_a_rule_that_averages() -> None:
    text = refusal(aggregation=Pick(), attack="explicit-boosting")
    assert text.startswith("attack.boost: auto")
    assert "a rule that averages" in text
    assert text.endswith("give a number, e.g. -o attack.boost=10")
    assert validate(Experiment, {"aggregation": Halve(), "attack": "explicit-boosting"}).attack == ExplicitBoosting()
    assert Experiment(aggregation=Pick(), attack=ExplicitBoosting(boost=2)).attack == ExplicitBoosting(boost=2)
    assert Experiment(aggregation=Pick()).attack is None


def test_resistant_targets_want_the_control() -> None:
    values = {"attack": "explicit-boosting", "target": {"select": "resistant"}}
    assert refusal(**values, control=False).startswith("target.select: resistant needs the control")
    assert validate(Experiment, values).needs_twin
    random = {**values, "target": {"select": "random"}, "control": False}
    assert not validate(Experiment, random).needs_twin


def test_when_a_twin_is_needed() -> None:
    assert Experiment(attack=Silent()).needs_twin
    assert not Experiment(attack=Silent(), control=False).needs_twin
    assert not Experiment().needs_twin
    assert Experiment(target=Target(select="resistant")).needs_twin


# The placebo


def wants(**changes: Any) -> Experiment:
    """An experiment with a placebo, unless the changes are against it."""
    return Experiment(**{"attack": Silent(boost=2), "aggregation": Pick()} | changes)


def test_the_controls_of_an_attack_under_a_rule_that_does_not_average() -> None:
    experiment = wants()
    assert experiment.controls == {"control": experiment.twin(), "placebo": experiment.without_attacker()}
    for without in (wants(placebo=False), wants(aggregation=Halve())):
        assert without.controls == {"control": without.twin()}
    for without in (wants(control=False), wants(attack=None)):
        assert without.controls == {}


def test_a_placebo_is_the_twin_without_the_malicious_client() -> None:
    experiment = wants(attack=Silent(boost=2, client=4, delay=3), target=Target(r=3), stop_at=0.5, fraction=0.5)
    placebo = experiment.without_attacker()
    assert placebo.absent == (4,)
    assert placebo.twin().identity() == placebo.identity()
    assert placebo.model_copy(update={"absent": (), "name": "twin"}) == experiment.twin()
    assert validate(Experiment, placebo.describe()) == placebo
    assert placebo.controls == {}


def test_attacks_of_the_same_client_share_it() -> None:
    attacked = [wants(), wants(attack=ExplicitBoosting(boost=3, delay=2), target=Target(draw=1), name="b"),
                wants(attack=Silent(boost=2, client=9))]  # fmt: skip
    assert len({experiment.without_attacker().identity() for experiment in attacked}) == 1
    assert wants(attack=Silent(boost=2, client=8)).without_attacker().identity() != attacked[0].twin().identity()
    others = [wants(attack=Silent(boost=2, client=8)), wants(seed=1), wants(aggregation=Needier())]
    found = {experiment.without_attacker().identity() for experiment in [wants(), *others]}
    assert len(found) == 4


class Needier(Rule):
    """A rule that wants nine updates, and does not average."""

    @property
    def minimum(self) -> int:
        return 9


@pytest.mark.parametrize(("clients", "fraction", "available"), [(10, 1, True), (9, 1, False), (20, 0.5, True),
                                                               (18, 0.5, False)])  # fmt: skip
def test_without_the_client_the_rule_needs_enough(clients: int, fraction: float, available: bool) -> None:
    experiment = wants(aggregation=Needier(), clients=clients, fraction=fraction)
    assert experiment.wants_placebo
    assert ("placebo" in experiment.controls) == available


def test_one_client_alone_has_no_placebo() -> None:
    assert "placebo" not in wants(clients=2, fraction=0.5).controls


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"absent": [10]}, "absent: there is no client 10; the last is 9"),
        ({"absent": [1, 1]}, "absent: each client can be named once, not 1, 1"),
        (
            {"absent": [1], "attack": Silent()},
            "absent: goes without attack only, and an attacked run has its placebo; e.g. -o 'absent=[]'",
        ),
        ({"absent": [0, 1, 2, 3, 4, 5]}, "absent: 4 of a cohort of 10 may be left, and the rule needs 5"),
        ({"absent": [-1]}, "absent.0: a number greater than or equal to 0 is needed"),
    ],
)
def test_clients_that_cannot_be_absent(changes: dict[str, Any], words: str) -> None:
    assert refusal(**{"aggregation": Needy(), **changes}).startswith(words)


def test_epochs_or_steps() -> None:
    both = refusal(local={"epochs": 2, "steps": 3})
    neither = refusal(local={"epochs": None})
    words = "local: give either epochs or steps and set the other to null; e.g. -o local.epochs="
    assert (both, neither) == (f"{words}null", f"{words}5")


# Description


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_description_makes_the_experiment_again(experiment: Experiment) -> None:
    again = validate(Experiment, experiment.describe())
    assert again == experiment
    assert again.identity() == experiment.identity()
    assert again.describe() == experiment.describe()


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_so_does_its_yaml(experiment: Experiment) -> None:
    text = yaml.safe_dump(experiment.describe(), sort_keys=False, allow_unicode=True)
    assert validate(Experiment, parse_yaml(text, "here")) == experiment


def test_a_description_has_every_option() -> None:
    described = Experiment(attack=Silent(boost=2)).describe()
    assert set(described) == set(Experiment.model_fields)
    assert described["data"] == {"name": "adult"}
    assert described["attack"] == {
        "name": f"{__name__}:Silent",
        "client": None,
        "delay": 0,
        "until": None,
        "hold_off": None,
        "boost": 2.0,
        "estimate": None,
        "claim": 1.0,
    }
    assert Experiment().describe()["attack"] == "none"


# Identity


def test_identity_ignores_what_changes_no_result() -> None:
    plain = Experiment()
    assert Experiment(name="other", about="other").identity() == plain.identity()
    assert "name" not in plain.relevant()
    assert "about" not in plain.relevant()


@pytest.mark.parametrize(
    ("preset", "own", "twin", "first"),
    [
        ("quickstart", "c323760aa94cf6a645d9ed6af006855c", "8a21fc300680aba69402dac174e68bd6",
         "b9a7de0b2205f80ed210e8ca2d4e80fd"),
        ("fig4-alternating", "af286cae7aa8e29e32054bc440439116", "555ba26e8c407533abaf718700361440",
         "bdfc3271259a5268fe7ec2ab849dcf6c"),
        ("fig7-explicit", "a4e7b4d6540cd068ee83883a70c8ef9e", "14951c968800b5571834f4896f547e58",
         "4772af54a8a4a9d6582dec96eab2a729"),
        ("fig10-explicit", "c6a7d7b315aea078972f995c35a890d3", "eb07bf87d64ca1c3de2001ac78c4bef0",
         "64bdb2a73c9648f22fe8ec7a15b86f0b"),
        ("fig9-explicit-paper", "59321866d2f1b1ed9a9c6f8f4c044521", "4de4d8f3c1c83b9f124ee06610b3e814",
         "c1eb4d83ed515ad80908f3c3847c030f"),
    ],
)  # fmt: skip
def test_identities_of_old_runs_are_what_they_were(preset: str, own: str, twin: str, first: str) -> None:
    experiment = load_experiment(preset)
    first_round = experiment.twin().model_copy(update={"rounds": 1, "aggregation": Mean(), "checks": (), "absent": ()})
    found = [one.identity() for one in (experiment, experiment.twin(), first_round)]
    assert found == [own, twin, first]


def test_what_came_later_is_told_only_where_it_is_unusual() -> None:
    assert not {"placebo", "absent"} & set(Experiment().relevant())
    assert Experiment(placebo=False).relevant()["placebo"] is False
    assert Experiment(absent=(2, 3)).relevant()["absent"] == [2, 3]
    assert Experiment(absent=(2, 3)).identity() != Experiment().identity()


@pytest.mark.parametrize("field", OTHER)
def test_identity_changes_with_every_other_field(field: str) -> None:
    assert Experiment(**{field: OTHER[field]}).identity() != Experiment().identity()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("local", LocalTraining(steps=5)),
        ("local", LocalTraining(batch_size=99)),
        ("local", LocalTraining(optimizer="sgd")),
        ("local", LocalTraining(learning_rate=2e-3)),
        ("target", Target(select="random")),
        ("target", Target(source=0)),
        ("target", Target(target=1)),
        ("target", Target(index=(3,))),
        ("partition", Dirichlet(alpha=0.25)),
        ("attack", ExplicitBoosting(boost=3)),
        ("attack", ExplicitBoosting(weights_only=True)),
    ],
)
def test_identity_changes_with_every_option_of_a_component(field: str, value: Any) -> None:
    others = [Experiment(), Experiment(attack=ExplicitBoosting()), Experiment(partition=Dirichlet())]
    assert Experiment(**{field: value}).identity() not in {other.identity() for other in others}


def test_identity_does_not_depend_on_how_a_value_is_written() -> None:
    written = {"local": {"epochs": 5, "learning_rate": "1e-3"}, "attack": {"name": "explicit-boosting", "boost": 5}}
    shorter = {"attack": ExplicitBoosting(boost=5.0), "aggregation": "mean"}
    assert validate(Experiment, written).identity() == validate(Experiment, shorter).identity()


# The twin


def test_a_twin_leaves_out_the_attack_and_keeps_the_rest() -> None:
    experiment = Experiment(**OTHER)
    twin = experiment.twin()
    assert (twin.attack, twin.target, twin.control, twin.placebo, twin.stop_at) == (None, Target(), False, True, None)
    for field in set(OTHER) - UNLIKE_ITS_TWIN:
        assert getattr(twin, field) == getattr(experiment, field) != getattr(Experiment(), field)


def test_a_twin_is_a_valid_experiment_and_its_own_twin() -> None:
    twin = Experiment(**OTHER).twin()
    assert validate(Experiment, twin.describe()) == twin
    assert twin.twin() == twin
    assert not twin.needs_twin


def test_different_attacks_have_the_same_twin() -> None:
    attacked = [
        Experiment(name="a", attack=Silent()),
        Experiment(name="b", attack=ExplicitBoosting(client=2), target=Target(r=3), stop_at=0.5),
        Experiment(control=False, attack=ExplicitBoosting(boost=7)),
    ]
    assert len({experiment.identity() for experiment in attacked}) == 3
    assert len({experiment.twin().identity() for experiment in attacked}) == 1


@pytest.mark.parametrize("field", sorted(set(OTHER) - UNLIKE_ITS_TWIN))
def test_another_federation_has_another_twin(field: str) -> None:
    assert Experiment(**{field: OTHER[field]}).twin().identity() != Experiment().twin().identity()


@pytest.mark.parametrize("option", ["clients", "seed", "fraction", "stop_at"])
def test_true_is_no_number(option: str) -> None:
    with pytest.raises(ConfigError, match=f"{option}: true is no value for this option"):
        validate(Experiment, {option: True})


def test_no_attack_has_no_options() -> None:
    with pytest.raises(ConfigError, match="attack: none has no options"):
        validate(Experiment, {"attack": {"name": "none", "boost": 5}})


def test_the_step_cap_covers_the_epochs() -> None:
    with pytest.raises(ConfigError, match="step_cap: 1000 is less than the 2000 epochs"):
        validate(Experiment, {"attack": {"name": "explicit-boosting", "epochs": 2000}})
