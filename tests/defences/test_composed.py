"""Whole methods: one name in a description, and its stages at work."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import torch
from helpers.received import normal
from helpers.staged import effective, one, server, staged
from helpers.stages import Doubles, Pairs, Scale
from small import small
from typing_extensions import override

import fedlens
from fedlens.core.errors import ConfigError
from fedlens.core.recorded import Recorded
from fedlens.core.registry import Record
from fedlens.defences import (
    Bucketing,
    Chain,
    Clip,
    Composed,
    DeepSightFilter,
    FedAvgM,
    Filter,
    FLTrust,
    FoolsGold,
    Krum,
    Mean,
    Report,
    Server,
    State,
    Updates,
)  # fmt: skip
from fedlens.defences.links import Link, build_link
from fedlens.defences.server_step import server_step
from fedlens.experiment.experiment import Experiment
from fedlens.runs.start import Start


class Long(Filter):
    """Flags what is longer than the limit, and counts its rounds."""

    limit: float = 5.0

    @override
    def judge(self, updates: Updates, server: Server, state: State) -> tuple[Report, State]:
        lengths = updates.rows.double().norm(dim=1)
        seen = state.tensors.get("seen", torch.tensor(0)) + 1
        return Report(lengths, lengths > self.limit), State({"seen": seen})


class Method(Composed):
    """A filter, clipping and the mean."""

    limit: float = 5.0
    max_norm: float = 2.0
    action: Literal["reject", "observe"] = "reject"

    @override
    def stages(self) -> tuple[Link, ...]:
        return Long(limit=self.limit, action=self.action), Clip(max_norm=self.max_norm), Mean()


class Nested(Composed):
    """A method of which another is a part."""

    @override
    def stages(self) -> tuple[Link, ...]:
        return Pairs(), Method(limit=3), Doubles()


class Keeping(Composed):
    """A method that keeps something of each client."""

    @override
    def stages(self) -> tuple[Link, ...]:
        return Clip(max_norm=100), FoolsGold()


class Free(Composed):
    """A method of whatever the test says."""

    returns: ClassVar[Any] = ()

    @override
    def stages(self) -> tuple[Link, ...]:
        return type(self).returns() if callable(type(self).returns) else type(self).returns  # type: ignore[no-any-return]


LONG, METHOD = f"{__name__}:Long", f"{__name__}:Method"


def refusal(*stages: object) -> str:
    with pytest.raises(ConfigError) as caught:
        Experiment(aggregation=list(stages))  # type: ignore[arg-type]
    return str(caught.value)


def test_a_chain_applies_its_stages_one_by_one() -> None:
    chain = Chain.of(Method(limit=3.0)).whole
    rows = torch.tensor([[1.0], [2.5], [4.0]], dtype=torch.float64)
    at_hand = server(3, 1)
    states = [stage.init(at_hand.layout) for stage in chain]
    step = server_step(chain, Updates.received(rows, torch.ones(3).double() / 3), at_hand, states)
    assert step.update.tolist() == [1.5]  # of 1, and of 2.5 clipped to 2
    assert [judgement.dropped for judgement in step.judgements] == [(2,), (), ()]
    assert step.judgements[1].report.details["clipped"] == [0.0, 1.0]
    assert step.states[0].tensors["seen"] == 1
    assert step.effective_weights is not None
    assert step.effective_weights.tolist() == [0.5, 0.5 * 2 / 2.5, 0.0]


def test_what_is_asked_of_a_chain_is_asked_of_its_stages() -> None:
    chain = Chain.of([{"name": "nnm", "f": 1}, Method()])
    assert (chain.names, list(chain.filters)) == (["nnm", LONG, "clip", "mean"], [LONG])
    assert chain.filters[LONG] == Long()
    assert (chain.told, chain.minimum, chain.averages, chain.sees) == ((1,), 3, False, "updates")
    assert str(chain) == f"nnm+{METHOD}"
    assert Chain.of(Method()).averages
    assert Chain.of([Nested()]).minimum == 2
    assert [stage.kind for stage in Chain.of(Nested()).whole] == ["mixing", "filter", "mixing", "rule", "optimizer"]
    assert Chain.of([Method(), Doubles()]).whole[-1] == Doubles()
    assert Keeping().by_client


@pytest.mark.parametrize(
    ("parts", "facts"),
    [
        ((Mean(),), {"averages", "sum"}),
        ((Clip(max_norm=1), Mean()), {"averages"}),
        ((Mean(), FedAvgM()), {"sum"}),
        ((Bucketing(), Mean()), {"averages", "blends"}),
        ((FoolsGold(),), {"by_client"}),
        ((FLTrust(),), {"needs_root"}),
        ((DeepSightFilter(), Krum(f=1)), {"needs_model"}),
        ((build_link("their:Own", Record()),), {"unknown"}),
        ((Clip(max_norm=1), build_link("their:Own", Record())), {"unknown"}),
        ((build_link("their:Own", Record()), FedAvgM()), set()),
    ],
)
def test_a_method_is_what_its_stages_are(
    monkeypatch: pytest.MonkeyPatch, parts: tuple[Link, ...], facts: set[str]
) -> None:
    """As is a chain of the same; whether one averages is unknown if the code of a stage is not read."""
    monkeypatch.setattr(Free, "returns", parts)
    method, chain = Free(), Chain.of(parts)
    asked = {"averages", "blends", "by_client", "needs_root", "needs_model"}
    for whole, about in ((method, asked), (chain, asked - {"blends", "by_client"})):
        assert {fact for fact in about if getattr(whole, fact)} == facts & about
        assert (whole.sees == "sum", whole.averages is None) == ("sum" in facts, "unknown" in facts)


@pytest.mark.parametrize("aggregation", [Method(limit=3.0), ["distances", Method(limit=3.0), "fedavgm"]])
def test_a_description_keeps_the_name_and_is_read_to_the_same_chain(aggregation: Any) -> None:
    experiment = Experiment(aggregation=aggregation)
    described = experiment.describe()["aggregation"]
    mine = described[1] if isinstance(described, list) else described
    assert mine == {"name": METHOD, "limit": 3.0, "max_norm": 2.0, "action": "reject"}
    again = Experiment.model_validate(experiment.describe())
    assert again == experiment
    assert again.identity() == experiment.identity()
    assert again.chain == experiment.chain
    assert Experiment(aggregation=Method(limit=4.0)).identity() != experiment.identity()


def test_a_run_of_the_name_is_one_of_its_stages(tmp_path: Path) -> None:
    """Records, states and weights are the same, bit for bit; only the description differs."""
    method = Method(limit=0.5, max_norm=0.25, action="observe")
    named, written = (
        fedlens.run(small(aggregation=aggregation, rounds=1, attack=None), tmp_path / str(index), engine="serial")
        for index, aggregation in enumerate([method, list(method.stages())])
    )
    assert (named.path / "rounds.jsonl").read_text() == (written.path / "rounds.jsonl").read_text()
    assert torch.equal(named.weights(), written.weights())
    checks = named.records[-1].clients[0].checks
    assert list(checks) == [LONG]
    assert list(named.records[-1].clipping) == ["1.clip"]
    read = fedlens.load_run(named.path).experiment
    assert (read.identity(), list(read.judges)) == (named.experiment.identity(), [LONG])


def test_a_run_is_read_without_the_code_of_its_method() -> None:
    experiment = Experiment(aggregation=["distances", Method()])  # type: ignore[arg-type]
    notes = Start.of(experiment).parts
    read = Experiment.model_validate(experiment.describe(), context=Record(notes=notes))
    assert isinstance(read.server.stages[1], Recorded)
    assert read.server.names == experiment.server.names
    assert list(read.judges) == list(experiment.judges)
    assert read.describe() == experiment.describe()
    assert read.server.averages is True
    unnoted = Experiment.model_validate(experiment.describe(), context=Record())
    assert unnoted.server.names == ["distances", METHOD]


@pytest.mark.parametrize(
    ("stages", "words", "pasted"),
    [
        ([Method(), "krum"], "aggregation.f is required", ""),
        ([Method(), {"name": "krum", "f": 1}], "Method and krum: a chain", "'aggregation=[{name: krum, f: 1}]'"),
        ([Method(), "nnm"], "aggregation.f is required", ""),
        ([Method(), Pairs()], "filters and mixing come before the rule", f"Pairs, {METHOD}]'"),
        ([Nested(), "fedadam"], "Nested and fedadam: a chain has one server optimizer", "'aggregation=[fedadam]'"),
        ([Long(), Method()], "Long: a chain has each filter once", f"'aggregation=[{METHOD}]'"),
        (["bucketing", Keeping()], "Keeping needs each client's own update, but b", f"'aggregation=[{__name__}:K"),
        ([{"name": METHOD, "limit": "far"}], "aggregation.limit: ", f"={{name: {METHOD}, limit: "),
        ([{"name": METHOD, "margin": 1}], "aggregation.margin: unknown option", ""),
    ],
)  # fmt: skip
def test_what_is_no_chain_is_refused_with_one_to_paste(stages: list[object], words: str, pasted: str) -> None:
    text = refusal(*stages)
    assert words in text
    assert pasted in text
    assert text.startswith("aggregation")


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ((Long(), Clip(max_norm=1)), "there is no rule; e.g. return Clip(max_norm=1), Mean()"),
        ((Mean(), Krum(f=1)), "mean and krum: a chain has one rule"),
        ((Mean(), Clip(max_norm=1)), "mean+clip: filters and mixing come before the rule"),
        ((Long(), Method()), "Long: a chain has each filter once"),
        (("mean",), "has 'mean', which is no component; e.g. Mean()"),
        (lambda: (Clip(max_norm=-1), Mean()), "max_norm: "),
        ((fedlens.defences.AccuracyCheck(), Mean()), "accuracy needs the validation set, which only checks have"),
    ],
)
def test_a_method_of_impossible_stages_says_where_it_is_written(
    monkeypatch: pytest.MonkeyPatch, returned: Any, words: str
) -> None:
    monkeypatch.setattr(Free, "returns", staticmethod(returned) if callable(returned) else returned)
    text = refusal({"name": f"{__name__}:Free"})
    assert words in text
    assert text.startswith("aggregation: stages (")
    assert "test_composed.py:" in text


def test_a_method_without_stages_is_refused() -> None:
    class Nothing(Composed):
        """Forgets the method."""

    with pytest.raises(NotImplementedError, match="Nothing has no method stages"):
        Nothing()


def test_alone_it_does_what_the_chain_does() -> None:
    """Also over rounds, with what its stages keep in all and of each client; scores are a chain's to report."""
    for method in (Method(limit=4.0), Keeping(), Nested()):
        chain, state = Chain.of(method).whole, None
        at_hand = server(6, 20)
        states = [stage.init(at_hand.layout) for stage in chain]
        for round_ in range(3):
            rows = normal(round_, 6, 20)
            left, state, report = staged(method, rows, state=state)
            step = server_step(chain, Updates.received(rows, torch.ones(6).double() / 6), at_hand, states)
            states = list(step.states)
            assert torch.equal(one(left), step.update)
            assert left.weights.tolist() == [1]
            assert report == Report(skipped=step.skipped)
            assert (left.mixture is None) == (step.effective_weights is None)
            if step.effective_weights is not None:
                assert torch.equal(effective(left), step.effective_weights)
        assert sum(len(each.tensors) for each in states) == len(state.tensors)


def test_a_skipped_round_keeps_what_it_kept() -> None:
    method = Method(limit=0.5)
    rows, before = torch.ones(3, 2), State({"0.seen": torch.tensor(4)})
    left, after, report = staged(method, rows, state=before)
    assert report.skipped == "0 of 3 updates were left for clip, and 1 are needed"
    assert after is before
    assert one(left).tolist() == [0.0, 0.0]


def test_scale_counts_in_the_effective_weights() -> None:
    class Halved(Composed):
        """Half of the mean."""

        @override
        def stages(self) -> tuple[Link, ...]:
            return Scale(factor=0.5), Mean()

    left, _, _ = staged(Halved(), torch.tensor([[2.0], [4.0]]))
    assert (one(left).tolist(), effective(left).tolist()) == ([1.5], [0.25, 0.25])
