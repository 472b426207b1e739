"""What stages keep of each client, in the folder ``state`` of a run's directory: a file per stage, client and round.

It grows with the number of clients times that of weights, so it is no part of the checkpoint, which names the round of
each client's file. Only what a round has changed is written, under a name of its own; what it supersedes is removed
once the new checkpoint is in place. A process may be killed at any point: the last checkpoint has all of its files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from fedlens.core.errors import DamagedRunError
from fedlens.core.files import writing
from fedlens.core.regular import regular
from fedlens.defences.stage import State
from fedlens.runs.vouched import Vouched

if TYPE_CHECKING:
    from torch import Tensor

FOLDER, WRITERS = "state", 4

_OURS = re.compile(r"\d+-\d{5,}-\d{5,}\.safetensors")

Rounds = Mapping[str, Mapping[int, int]]
"""The round in which each client's file was written, by stage and client."""


def file_of(run: Path, stage: str, client: int, round_: int) -> Path:
    """Return the path of what a stage, called by position and name, has kept of a client since a round."""
    return run / FOLDER / f"{stage.partition('.')[0]}-{client:05d}-{round_:05d}.safetensors"


def load_rows(run: Path, stages: Mapping[str, State], rounds: Rounds) -> dict[str, State]:
    """Return the stages' states with what they keep of each client.

    Raises:
        DamagedRunError: a file is missing or damaged; the message names it.
    """
    return {
        stage: replace(
            state,
            clients={
                client: _load(file_of(run, stage, client, round_))
                for client, round_ in rounds.get(stage, {}).items()
            },
        )
        for stage, state in stages.items()
    }  # fmt: skip


def _load(file: Path) -> dict[str, Tensor]:
    try:
        with safe_open(str(regular(file, None)), framework="pt") as content:
            return {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        raise DamagedRunError(
            f"{file}: what the server keeps of a client is missing or damaged ({error}); start the run anew with "
            "another --out"
        ) from error


def _serialised(tensors: Mapping[str, Tensor]) -> bytes:
    from safetensors.torch import save

    return save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()})


class ClientRows:
    """The files of a run that a single process writes, and vouches for."""

    def __init__(self, run: Path, vouched: Vouched) -> None:
        self._run = run
        self._vouched = vouched
        self._kept: dict[tuple[str, int], tuple[Mapping[str, Tensor], int]] = {}

    def resume(self, stages: Mapping[str, State], rounds: Rounds) -> None:
        """Go on from these states, whose files are there; remove files of ours that no checkpoint names."""
        self._kept = {
            (stage, client): (tensors, rounds[stage][client])
            for stage, state in stages.items()
            for client, tensors in state.clients.items()
        }
        self.sweep()

    def write(self, stages: Mapping[str, State], round_: int) -> dict[str, dict[int, int]]:
        """Write what this round has changed; return the round of each client's file.

        Raises:
            RunError: the disk is full, or the directory cannot be written any more.
        """
        kept: dict[tuple[str, int], tuple[Mapping[str, Tensor], int]] = {}
        changed: dict[Path, Mapping[str, Tensor]] = {}
        for stage, state in stages.items():
            for client, tensors in state.clients.items():
                before = self._kept.get((stage, client))
                if before is None or before[0] is not tensors:
                    changed[file_of(self._run, stage, client, round_)] = tensors
                    before = (tensors, round_)
                kept[stage, client] = before
        self._write(changed)
        self._kept = kept
        self._vouched.keep(self._run / FOLDER, self._named())
        rounds: dict[str, dict[int, int]] = {}
        for (stage, client), (_, written) in kept.items():
            rounds.setdefault(stage, {})[client] = written
        return rounds

    def _write(self, changed: Mapping[Path, Mapping[str, Tensor]]) -> None:
        """Write files, several at a time, for most of the time goes by in waiting for the disk."""
        if not changed:
            return
        folder = self._run / FOLDER
        with writing(folder):
            folder.mkdir(exist_ok=True)
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(self._write_one, changed, changed.values()))

    def _write_one(self, file: Path, tensors: Mapping[str, Tensor]) -> None:
        self._vouched.write(file, _serialised(tensors))

    def _named(self) -> set[Path]:
        """Return the files that the next checkpoint names."""
        return {file_of(self._run, stage, client, round_) for (stage, client), (_, round_) in self._kept.items()}

    def sweep(self) -> None:
        """Remove files that the checkpoint in place does not name."""
        named = self._named()
        for file in (self._run / FOLDER).glob("*.safetensors"):
            if _OURS.fullmatch(file.name) and file not in named:
                with writing(file):
                    file.unlink(missing_ok=True)
