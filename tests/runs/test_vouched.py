"""A resumed run notices every file that is not as it was written, and names it; it never goes on with other numbers."""

import re
import shutil
from pathlib import Path
from typing import ClassVar

import pytest
from small import small

import fedlens
from fedlens import Attack, Callback, Crafted, Team
from fedlens.attacks.attack import Sight
from fedlens.core.errors import DamagedRunError
from fedlens.goals.target_samples import Target
from fedlens.runs.record import RoundRecord
from fedlens.runs.state import FederationState, read_checkpoint
from fedlens.runs.vouched import Vouched, require_as_written

FLIPPED = ("checkpoint.safetensors", "rounds.jsonl", "best.safetensors", "checks", "state", "weights")
"""Files and folders whose content decides what a resumed run gives."""


class Keeps(Attack):
    """Sends twice what is honest; the team keeps a sum, and each attacker remembers two rounds."""

    sight: ClassVar[Sight] = "team"
    remembers: ClassVar[int] = 2

    def collude(self, team: Team) -> Crafted:
        return Crafted(2 * team.honest, {"sum": team.state.get("sum", 0) + team.honest.sum(0)})


EXPERIMENT = small(
    attack=Keeps(boost=2), attackers={"count": 2}, aggregation="foolsgold", checks=["statistics"], clients=5, rounds=4,
    target=Target(select="random"),
)  # fmt: skip


class Stops(Callback):
    """Interrupts after round 2."""

    def round(self, record: RoundRecord) -> None:
        if record.round == 2:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of which two rounds are lacking, and whose server, team and attackers keep something."""
    path = tmp_path_factory.mktemp("vouched") / "run"
    with pytest.raises(KeyboardInterrupt):
        fedlens.run(EXPERIMENT, path, engine="serial", keep_weights=True, observer=Stops())
    state = FederationState.load(str(path / "checkpoint.safetensors"), 0)
    assert state.team.keys() == {"sum"}
    assert {client: len(pasts) for client, pasts in state.history.items()} == {3: 2, 4: 2}
    assert [len(kept.clients) for kept in state.stages.values()] == [5]
    return path


def vouched(path: Path) -> list[Path]:
    return [
        file
        for name in FLIPPED
        for file in ([path / name] if (path / name).is_file() else sorted((path / name).iterdir()))
    ]


def test_a_flipped_bit_in_any_file_is_noticed_and_the_file_named(stopped: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(stopped, path)
    files = vouched(path)
    assert len(files) == 3 + 2 + 5 + 2
    for file in files:
        whole = file.read_bytes()
        places = [len(whole) - 4, len(whole) - len(whole) // 3]
        if file.suffix == ".jsonl":
            accuracy = re.search(rb'"accuracy": ?0\.\d', whole)
            assert accuracy
            places = [accuracy.end() - 1]  # another number, and sound JSON
        for place in places:
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(DamagedRunError, match=re.escape(str(file))):
                fedlens.run(EXPERIMENT, path, engine="serial", resume=True)
        file.write_bytes(whole)


def test_an_intact_run_goes_on_as_if_it_had_not_stopped(stopped: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(stopped, path)
    records = path / "rounds.jsonl"
    records.write_bytes(records.read_bytes() + records.read_bytes()[:99])  # of a killed process
    fedlens.run(EXPERIMENT, path, engine="serial", resume=True)
    whole = fedlens.run(EXPERIMENT, tmp_path / "whole", engine="serial", keep_weights=True)
    for file in vouched(whole.path):
        assert file.read_bytes() == (path / file.relative_to(whole.path)).read_bytes()


def test_weights_that_are_no_longer_kept_are_not_missed(stopped: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(stopped, path)
    shutil.rmtree(path / "weights")
    fedlens.run(EXPERIMENT, path, engine="serial", resume=True)
    sums = read_checkpoint(str(path / "checkpoint.safetensors")).sums
    assert {name.partition("/")[0] for name in sums} == {"rounds.jsonl", "best.safetensors", "checks", "state"}


def test_a_checkpoint_without_sums_is_gone_on_with(stopped: Path, tmp_path: Path) -> None:
    """Of a checkpoint from before there were sums, only those of what is written from then on are known."""
    path = tmp_path / "run"
    shutil.copytree(stopped, path)
    checkpoint = path / "checkpoint.safetensors"
    sums = read_checkpoint(str(checkpoint)).sums
    assert sums.keys() == {file.relative_to(stopped).as_posix() for file in vouched(stopped)} - {checkpoint.name}
    old = Vouched(path)
    old.resume({})
    assert old.sums == {"rounds.jsonl": sums["rounds.jsonl"]}
    require_as_written(path, {}, 2)
    (path / "weights" / "00001.safetensors").unlink()
    with pytest.raises(DamagedRunError, match=r"00001\.safetensors: is missing"):
        require_as_written(path, sums, 2)


def test_best_weights_of_a_round_that_is_repeated_are_no_damage(stopped: Path, tmp_path: Path) -> None:
    """A process may be killed once it has written them, before the round's checkpoint is in place."""
    path = tmp_path / "run"
    shutil.copytree(stopped, path)
    whole = fedlens.run(EXPERIMENT, tmp_path / "whole", engine="serial")
    assert whole.summary is not None
    assert whole.summary.best_round > 2
    shutil.copy(whole.path / "best.safetensors", path)
    again = fedlens.run(EXPERIMENT, path, engine="serial", resume=True)
    assert (path / "best.safetensors").read_bytes() == (whole.path / "best.safetensors").read_bytes()
    assert again.records == whole.records
