"""What stages keep of each client, in a run's directory: damage, leftovers, checkpoints of before there were chains."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.stages import FORGETFUL, First
from safetensors.torch import save
from small import small

import fedlens
from fedlens.core.errors import DamagedRunError
from fedlens.defences.stage import State
from fedlens.experiment.setting import prepare
from fedlens.runs.client_rows import ClientRows, load_rows
from fedlens.runs.places import unused
from fedlens.runs.state import FederationState, read_checkpoint
from fedlens.runs.vouched import Vouched
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.rounds import federate


def state(*changed: int, before: State = State()) -> State:  # noqa: B008
    return State(clients={**before.clients, **{client: {"sum": torch.full((2,), 1.0 * client)} for client in changed}})


def names(run: Path) -> set[str]:
    return {file.name.removesuffix(".safetensors") for file in (run / "state").iterdir()}


def test_only_what_has_changed_is_written(tmp_path: Path) -> None:
    rows = ClientRows(tmp_path, Vouched(tmp_path))
    first = state(1, 2)
    assert rows.write({"0.mine": first}, 1) == {"0.mine": {1: 1, 2: 1}}
    second = state(2, 12345678, before=first)
    assert rows.write({"0.mine": second}, 2) == {"0.mine": {1: 1, 2: 2, 12345678: 2}}
    both = {"0-00001-00001", "0-00002-00002", "0-12345678-00002"}
    assert names(tmp_path) == both | {"0-00002-00001"}  # until the new checkpoint is in place
    rows.sweep()
    assert names(tmp_path) == both
    loaded = load_rows(tmp_path, {"0.mine": State()}, {"0.mine": {1: 1, 2: 2}})["0.mine"]
    assert {client: kept["sum"].tolist() for client, kept in loaded.clients.items()} == {1: [1, 1], 2: [2, 2]}


def test_who_goes_on_writes_only_what_changes_then_and_removes_what_is_left_over(tmp_path: Path) -> None:
    ClientRows(tmp_path, Vouched(tmp_path)).write({"0.mine": state(1, 2)}, 1)
    ClientRows(tmp_path, Vouched(tmp_path)).write(
        {"0.mine": state(1)}, 2
    )  # of a round whose checkpoint was never put in place
    (tmp_path / "state" / "mine.safetensors").write_bytes(b"not ours")
    named = {"0.mine": {1: 1, 2: 1}}
    loaded = load_rows(tmp_path, {"0.mine": State()}, named)
    again = ClientRows(tmp_path, Vouched(tmp_path))
    again.resume(loaded, named)
    assert names(tmp_path) == {"0-00001-00001", "0-00002-00001", "mine"}
    moved = FederationState(1, torch.zeros(1), stages=loaded).to(torch.device("cpu")).stages
    assert again.write(moved, 2) == named


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run of which the last round is lacking."""
    path = unused(FORGETFUL, tmp_path / "run")
    fedlens.run(FORGETFUL.model_copy(update={"rounds": 5}), path, engine="serial")
    text = (path / "experiment.yaml").read_text().replace("rounds: 5", "rounds: 6")
    (path / "experiment.yaml").write_text(text)
    (path / "summary.json").unlink()
    return path


@pytest.mark.parametrize("content", [None, b"", b"shorter"])
def test_a_missing_or_damaged_file_is_named(begun: Path, content: bytes | None) -> None:
    file = min((begun / "state").iterdir())
    whole = file.read_bytes()
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content if content != b"shorter" else whole[:-3])
    before = {path: path.read_bytes() for path in begun.rglob("*") if path.is_file()}
    with pytest.raises(DamagedRunError, match=f"{file.name}: what the server keeps of a client is missing or damaged"):
        fedlens.run(FORGETFUL, begun, resume=True, engine="serial")
    assert {path: path.read_bytes() for path in begun.rglob("*") if path.is_file()} == before


def test_weights_are_read_without_what_is_kept_of_clients(begun: Path) -> None:
    for file in (begun / "state").iterdir():
        file.unlink()
    state, rounds, _ = read_checkpoint(str(begun / "checkpoint.safetensors"))
    assert state.round == 5
    assert len(rounds) == 2
    assert list(state.stages) == [f"0.{First.__module__}:Remembers", f"1.{First.__module__}:First"]
    assert fedlens.load_run(begun).weights("last").shape == state.weights.shape


def test_a_rules_state_from_before_there_were_chains_is_gone_on_with(tmp_path: Path) -> None:
    experiment = small(aggregation=First(), attack=None, rounds=4)
    with Serial() as engine:
        whole = list(federate(prepare(experiment), engine))
    second = whole[1].state
    (kept,) = second.stages.values()
    file = tmp_path / "checkpoint.safetensors"
    tensors = {"weights": second.weights, **{f"rule.{name}": tensor for name, tensor in kept.tensors.items()}}
    file.write_bytes(save(tensors, metadata={"state": json.dumps({"round": 2, "history": []})}))
    loaded = FederationState.load(str(file))
    with Serial() as engine:
        rest = list(federate(prepare(experiment), engine, loaded))
    assert [result.record for result in rest] == [result.record for result in whole[2:]]
    assert rest[-1].state.stages.keys() == whole[-1].state.stages.keys()
    assert [float(result.state.stages[f"0.{First.__module__}:First"].tensors["count"]) for result in rest] == [3, 4]


def test_a_checkpoint_is_not_written_without_its_files() -> None:
    kept = FederationState(1, torch.zeros(1), stages={"0.mine": state(1)})
    with pytest.raises(AssertionError):
        kept.to_bytes()
    assert replace(kept, stages={}).to_bytes()
