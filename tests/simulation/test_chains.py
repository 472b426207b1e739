"""A server that is a chain, in whole federations: what is recorded, what is kept, and what custom stages cannot do."""

from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, ClassVar

import pytest
import torch
from helpers.killed import require_same_files, rows_of, run_until
from helpers.stages import FORGETFUL, Doubles, First, Long, Pairs, Scale
from small import small
from torch import Tensor

import fedlens
from fedlens.attacks.attack import Attack, View
from fedlens.core.errors import ClientError
from fedlens.defences.clip import Clip
from fedlens.defences.nearest_neighbour_mixing import NearestNeighbourMixing
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.runs.round_result import RoundResult
from fedlens.simulation.engines import Engine
from fedlens.simulation.engines.processes import Processes
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.rounds import federate


def play(experiment: Experiment, make: Callable[[], Engine] = Serial) -> list[RoundResult]:
    with make() as engine:
        return list(federate(prepare(experiment).with_target(None), engine))


BOOSTED = {"name": "explicit-boosting", "boost": 50, "step_cap": 105}


def test_a_chain_of_the_rule_alone_is_the_rule() -> None:
    one, other = (play(small(aggregation=value, attack=BOOSTED)) for value in ("median", ["median"]))
    for mine, theirs in zip(one, other, strict=True):
        assert torch.equal(mine.state.weights, theirs.state.weights)
        assert mine.record == theirs.record


def test_a_filter_of_the_chain_rejects_as_a_check_does() -> None:
    check, stage = (
        play(small(attack=BOOSTED, **changes))
        for changes in ({"checks": [Long(limit=3, action="reject")]}, {"aggregation": [Long(limit=3), "mean"]})
    )
    for mine, theirs in zip(check, stage, strict=True):
        assert torch.equal(mine.state.weights, theirs.state.weights)
        assert mine.record == theirs.record
        assert mine.record.rejected == [3]


def test_effective_weights_of_what_is_mixed() -> None:
    for result in play(small(aggregation=[Pairs(), Scale(factor=0.5), "mean"], attack=None)):
        assert result.record.effective_weights == [0.125] * 4
        assert all(not client.checks and not client.rejected for client in result.record.clients)


def test_the_step_of_a_servers_optimizer_is_taken() -> None:
    plain, doubled = (
        play(small(aggregation=value, attack=None, rounds=1))[0] for value in ("mean", ["mean", Doubles()])
    )
    start = prepare(small()).network().vector.detach()
    torch.testing.assert_close(doubled.state.weights - start, 2 * (plain.state.weights - start))
    assert sum(doubled.record.effective_weights or []) == pytest.approx(2)


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_an_update_that_is_not_finite_does_not_end_the_run(value: str) -> None:
    for result in play(small(aggregation=[Pairs(), First()], attack=Sends(number=value, boost=1))):
        assert result.record.malformed == [3]
        assert result.record.skipped is None
        assert bool(result.state.weights.isfinite().all())


class Sends(Attack):
    """Sends one number everywhere, of another shape or type if it is told to."""

    number: str = "1"
    what: str = ""

    def craft(self, view: View) -> Tensor:
        full = torch.full_like(view.weights, float(self.number))
        return {"": full, "short": full[:3], "row": full[None], "double": full.double()}[self.what]


@pytest.mark.parametrize("make", [Serial, lambda: Processes(2)], ids=["serial", "processes"])
@pytest.mark.parametrize(
    ("what", "fault"),
    [("short", "torch.float32 of shape (3,)"), ("row", "of shape (1, "), ("double", "torch.float64 of shape (")],
)
def test_an_update_of_another_shape_or_type_does_not_end_the_run(
    what: str, fault: str, make: Callable[[], Engine]
) -> None:
    shaped, silent = (play(small(attack=attack), make) for attack in (Sends(what=what), Sends(number="nan")))
    for result, other in zip(shaped, silent, strict=True):
        assert result.record.malformed == result.record.rejected == [3]
        assert fault in result.record.clients[3].fault
        assert other.record.clients[3].fault == "not finite"
        assert torch.equal(result.state.weights, other.state.weights)


def test_who_sends_such_is_told(tmp_path: Path) -> None:
    from fedlens.analysis.flags import flags

    run = fedlens.run(small(attack=Sends(what="short")), tmp_path / "run", engine="serial")
    (flag,) = [flag for flag in flags(run.experiment, run.records) if "were rejected in 3 rounds" in flag]
    assert flag.startswith("the malicious client sent updates")
    assert "shape (3,), expected" in flag


def test_a_round_that_rejects_all_leaves_what_is_kept() -> None:
    chain = [Pairs(), Long(limit=0), First()]
    results = play(small(aggregation=chain, attack=None))
    start = prepare(small()).network().vector.detach()
    for result in results:
        assert result.record.skipped is not None
        assert result.record.skipped.startswith("0 of 4 updates were left for ")
        assert torch.equal(result.state.weights, start)
        assert result.state.stages == {}
        assert result.record.rejected == [0, 1, 2, 3]


class Wrong(Stage):
    """Returns what it is told to."""

    kind: ClassVar[Kind] = "mixing"
    what: str

    def apply(self, updates: Updates, server: Server, state: State) -> Any:  # noqa: PLR0911
        count = len(updates.rows)
        match self.what:
            case "nothing":
                return None
            case "state":
                return updates, {}, Report()
            case "more":
                return updates.mixed(torch.ones(count + 1, count)), state, Report()
            case "nan":
                return updates.mixed(torch.eye(count), updates.rows / 0), state, Report()
            case "short":
                return updates.mixed(torch.eye(count), updates.rows[:, :3]), state, Report()
            case "scores":
                return updates, state, Report(scores=torch.zeros(count + 1))
            case "kept":
                return updates, State({"list": [1, 2]}), Report()  # type: ignore[dict-item]
            case "clients":
                return updates, State(clients={"x": {"a": torch.ones(1)}}), Report()  # type: ignore[dict-item]
        raise IndexError("out of bounds")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("nothing", "returned None: let apply .*return updates, state, report"),
        ("state", "returned a dict: let apply .*State"),
        ("more", "returned 5 rows, where 1 to 4 are right"),
        ("nan", "returned rows whose entry 0 is "),
        ("short", r"returned rows of shape \[4, 3\]"),
        ("scores", r"returned a report with scores of shape \[5\]; \[4\] is right"),
        ("kept", "wants to keep something else than tensors by their names in round 1: 'list', which is list; dense"),
        ("clients", "wants to keep something else .*: the client 'x'; the numbers of server.clients are right"),
        ("raise", "stage Wrong failed in round 1: IndexError: out of bounds"),
    ],
)
def test_what_a_stage_returns_in_error_is_named(what: str, words: str) -> None:
    with pytest.raises(ClientError, match=words):
        play(small(aggregation=[Wrong(what=what), "mean"], attack=None))


class Spoils(Pairs):
    """Writes into all that it can reach, after it has done its work."""

    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        after, kept, report = super().apply(updates, server, state)
        after = Updates(after.rows.clone(), after.weights.clone(), after.mixture.clone())  # type: ignore[union-attr]
        for tensor in (updates.rows, updates.weights, updates.mixture, server.weights, *state.tensors.values()):
            tensor.zero_()  # type: ignore[union-attr]
        torch.rand(1)
        return after, kept, report


def test_what_a_custom_stage_writes_reaches_nobody() -> None:
    honest, spoilt = (play(small(aggregation=[stage, "median"], attack=None)) for stage in (Pairs(), Spoils()))
    for one, other in zip(honest, spoilt, strict=True):
        assert torch.equal(one.state.weights, other.state.weights)
        assert one.record.quality == other.record.quality
        kept = [next(iter(result.state.stages.values())) for result in (one, other)]
        assert kept[0].tensors == kept[1].tensors


class Mixes(Stage):
    """Has its rows mixed by a stage of ours, and then passes them on as they were."""

    kind: ClassVar[Kind] = "mixing"

    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        NearestNeighbourMixing(f=1).apply(updates, server, state)
        return updates, state, Report()


def test_what_a_custom_stage_has_mixed_is_not_written_into() -> None:
    """Whatever goes before: fedlens lets only its own stages write into the rows."""
    for before in ([], [Clip(max_norm=1000)]):
        plain, mixing = (
            play(small(aggregation=[*before, *more, "median"], attack=BOOSTED)) for more in ([], [Mixes()])
        )
        for one, other in zip(plain, mixing, strict=True):
            assert torch.equal(one.state.weights, other.state.weights)


def test_what_is_kept_of_each_client_is_a_file_each(tmp_path: Path) -> None:
    run = fedlens.run(FORGETFUL, tmp_path / "run", engine="serial")
    last = {client: record.round for record in run.records for client in record.cohort}
    assert rows_of(run.path) == sorted(f"0-{client:05d}-{round_:05d}.safetensors" for client, round_ in last.items())
    assert {f"state/{name}" for name in rows_of(run.path)} <= run.summary.checksums.keys()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("engine", "experiment", "moments"),
    [
        ("serial", "helpers.stages:FORGETFUL", (9, 13, 17, 22, 26)),
        ("processes", "helpers.teams:PERSISTENT", (11, 24)),
        ("vectorised", "helpers.teams:PERSISTENT", (28,)),
    ],
)
def test_a_run_that_is_killed_anywhere_goes_on_with_the_same_bits(
    tmp_path: Path, engine: Any, experiment: str, moments: tuple[int, ...]
) -> None:
    """It dies before some of the files that it replaces or removes, each time later than before."""
    bits = "serial" if engine == "processes" else engine
    whole = fedlens.run(resolve_name(experiment), tmp_path / "whole", engine=bits)
    for moment in (*moments, None):
        run_until(moment, experiment, tmp_path / "killed", engine)
    require_same_files(tmp_path / "killed", whole.path)
