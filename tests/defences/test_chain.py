"""The grammar of the server's chain, and what follows from its stages."""

from typing import Any, ClassVar

import pytest

from fedlens.core.errors import ConfigError
from fedlens.defences.adapters import FilterStage, RuleStage, as_stage
from fedlens.defences.chain import Chain
from fedlens.defences.distance_ranges import DistanceCheck
from fedlens.defences.krum import Krum
from fedlens.defences.mean import Mean
from fedlens.defences.stage import Kind, Report, Sees, Server, Stage, State, Updates
from fedlens.defences.update_statistics import StatisticsCheck
from fedlens.experiment.experiment import Experiment


class Passes(Stage):
    """Leaves everything as it is."""

    kind: ClassVar[Kind] = "mixing"
    averages: ClassVar[bool] = True

    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        return updates, state, Report()


class Pairs(Passes):
    """Two rows become one."""

    averages: ClassVar[bool] = False
    f: int = 3

    def needed(self, following: int) -> int:
        return 2 * following


class Steps(Passes):
    """A server optimizer."""

    kind: ClassVar[Kind] = "optimizer"
    sees: ClassVar[Sees] = "sum"


class Nameless(Passes):
    """Of no kind that there is."""

    kind: ClassVar[Any] = "sieve"


class Half(Passes):
    """Says a number of rows that there cannot be."""

    def needed(self, following: int) -> int:
        return following / 2  # type: ignore[return-value]


def kinds(*stages: object) -> list[str]:
    return [stage.kind for stage in Chain(stages=stages).whole]  # type: ignore[arg-type]


def refusal(*stages: object) -> str:
    with pytest.raises(ConfigError) as caught:
        Experiment(aggregation=list(stages))  # type: ignore[arg-type]
    return str(caught.value)


def test_the_mean_comes_after_mixing_and_before_the_optimizer() -> None:
    assert kinds(Passes()) == ["mixing", "rule"]
    assert kinds(Passes(), Steps()) == ["mixing", "rule", "optimizer"]
    assert kinds(Steps()) == ["rule", "optimizer"]
    assert kinds("distances", Pairs(), Krum(f=1), Steps()) == ["filter", "mixing", "rule", "optimizer"]
    assert kinds(Passes(), "distances", Pairs()) == ["mixing", "filter", "mixing", "rule"]


@pytest.mark.parametrize(
    ("stages", "words", "pasted"),
    [
        (["mean", {"name": "krum", "f": 2}], "mean and krum: a chain has one", "'aggregation=[{name: krum, f: 2}]"),
        ([Steps(), Steps()], "Steps: a chain has one server optimizer", f"'aggregation=[{__name__}:Steps]'"),
        (["mean", "distances"], "filters and mixing come before the rule", "'aggregation=[distances, mean]'"),
        ([Steps(), "median"], "optimizer after it", f"'aggregation=[median, {__name__}:Steps]'"),
        (["distances", DistanceCheck(margin=0.5)], "distances: a chain has each filter once", ""),
        (["accuracy", "mean"], "accuracy needs the validation set", "'checks={name: accuracy, action: reject}'"),
        (["distances", "krum"], "aggregation.f is required", "'aggregation=[distances, {name: krum, f: 1}]'"),
        ([{"name": "krum", "f": 1, "g": 2}, "mean"], "aggregation.g: unknown option", ""),
        ([], "an empty list is no chain", "aggregation=mean"),
        (["distances", "kram"], "there is no 'kram'; did you mean krum?", ""),
        (["distances", "fooldsgold"], "there is no 'fooldsgold'; did you mean foolsgold?", ""),
        (["none", "mean"], "known: arc, bucketing, bulyan, centred-clipping, clip, ", ""),
        ([Nameless(), "mean"], "does not say of which kind it is (filter, mixing, rule, optimizer); write it", ""),
        (["bucketing", "foolsgold"], "foolsgold needs each client's own update, but bu", "'aggregation=[foolsgold]'"),
        ([Half(), "mean"], "is 0.5; a whole number of updates is right", ""),
        (["distances", {"name": "krum", "f": 9}], "distances+krum needs 21 updates a round", "clients=21"),
    ],
)  # fmt: skip
def test_what_is_no_chain_is_refused_with_one_to_paste(stages: list[object], words: str, pasted: str) -> None:
    text = refusal(*stages)
    assert words in text
    assert text.startswith("aggregation")
    assert pasted in text
    assert "-o " in text or not pasted


def test_what_is_to_be_pasted_is_a_chain() -> None:
    text = refusal({"name": "krum", "f": 1}, "statistics", "distances")
    pasted = text.partition("-o '")[2].partition("'")[0]
    from fedlens.runs.loading import load_experiment

    assert (
        str(load_experiment("quickstart", ["checks=none", "attack.boost=2", pasted]).server)
        == "statistics+distances+krum"
    )


def test_a_filter_is_a_check_or_a_stage() -> None:
    with pytest.raises(ConfigError, match=r"distances is a stage of the chain, too.* -o 'checks=\[statistics\]'"):
        Experiment(checks=("distances", "statistics"), aggregation=["distances", "mean"])  # type: ignore[arg-type]


def test_a_list_of_one_is_the_component() -> None:
    alone, listed = (Experiment(aggregation=value) for value in (Krum(f=1), [{"name": "krum", "f": 1}]))  # type: ignore[arg-type]
    assert alone.aggregation == listed.aggregation == Krum(f=1)
    assert alone.identity() == listed.identity()
    assert alone.describe() == listed.describe()
    assert Experiment(aggregation=Passes()).aggregation == Passes()


def test_a_chain_is_read_again_from_what_it_says_of_itself() -> None:
    experiment = Experiment(aggregation=["distances", {"name": "krum", "f": 1}])  # type: ignore[arg-type]
    described = experiment.describe()
    assert [part["name"] for part in described["aggregation"]] == ["distances", "krum"]
    again = Experiment.model_validate(described)
    assert again == experiment
    assert again.identity() == experiment.identity()
    other = Experiment(aggregation=["statistics", {"name": "krum", "f": 1}])  # type: ignore[arg-type]
    assert other.identity() != experiment.identity()


def test_what_follows_from_the_stages() -> None:
    assert Chain.of(Mean()).averages
    assert Chain(stages=(Passes(), "mean")).averages
    assert Chain(stages=("distances",)).averages  # who passes has the weight of the average
    assert not Chain(stages=(Pairs(),)).averages
    assert Chain(stages=(Pairs(), Krum(f=1))).minimum == 2 * 5  # Krum's 2f + 3, in pairs
    assert Chain(stages=("distances", Steps())).minimum == 1
    assert Chain(stages=(Pairs(), Krum(f=1))).told == (3, 1)
    assert Chain.of("median").told == ()
    assert [Chain.of(stages).sees for stages in ("mean", Steps(), "median", [Passes(), "mean"])] == [
        *("sum", "sum", "updates", "updates")
    ]


def test_components_and_their_stages() -> None:
    assert as_stage(Krum(f=2)) == RuleStage(rule=Krum(f=2))
    assert as_stage(StatisticsCheck()) == FilterStage(detector=StatisticsCheck())
    assert as_stage(Passes()) == Passes()
    assert as_stage(Krum(f=2)).needed(1) == Krum(f=2).minimum
