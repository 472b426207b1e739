"""The runs below a folder, told from their last lines: quick for many, and not troubled by one that is half written."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from fedlens.core.errors import FedlensError
from fedlens.core.regular import regular
from fedlens.experiment.experiment import Experiment
from fedlens.report.words import attack_name
from fedlens.runs.loading import load_recorded
from fedlens.runs.reading import read_latest
from fedlens.runs.record_values import confidence
from fedlens.runs.unjudged import read_unjudged

_PATTERNS = ("experiment.yaml", "*/experiment.yaml", "*/*/experiment.yaml", "*/cells/*/experiment.yaml")
_TAIL = 1 << 20
"""More bytes than a round's line has, unless it is of thousands of clients."""


@dataclass(frozen=True)
class Listed:
    """A run in a line.

    Attributes:
        name: its directory, relative to the folder; ``.`` for the folder itself.
        attack: the attack's name.
        seed: where its randomness begins.
        played: rounds recorded.
        rounds: rounds wanted.
        finished: whether it is complete.
        accuracy: the global model's after the last round, if there was one.
        confidence: in the target class, likewise.
        changed: when something was last recorded, in seconds since 1970.
        trouble: why nothing more can be told.
    """

    name: str
    attack: str = ""
    seed: int = 0
    played: int = 0
    rounds: int = 0
    finished: bool = False
    accuracy: float | None = None
    confidence: float | None = None
    changed: float = 0.0
    trouble: str = ""


def directories(folder: Path) -> dict[str, Path]:
    """The runs' directories by name: those in the folder, in folders of it, and the cells of sweeps.

    A link that leads out of the folder is not followed, be it to a run or from one.
    """
    root = folder.resolve()
    found = {file.parent for pattern in _PATTERNS for file in folder.glob(pattern)}
    return {
        str(path.relative_to(folder)): path
        for path in sorted(found)
        if (not path.name.startswith(".") or path == folder) and not _leads_out(path, root)
    }


def _leads_out(run: Path, root: Path) -> bool:
    """Whether the directory of a run, or something that a page shows of it, is elsewhere."""
    places = [run]
    for folder in (run, run / "explanations", run / "checks"):
        with suppress(OSError), os.scandir(folder) as entries:
            places += [Path(entry.path) for entry in entries if entry.is_symlink()]
    return not all(place.resolve().is_relative_to(root) for place in places)


def listed(folder: Path) -> list[Listed]:
    """Every run below `folder`, the one that changed last first."""
    return sorted(_listed(directories(folder)), key=lambda run: -run.changed)


def _listed(found: dict[str, Path]) -> Iterator[Listed]:
    for name, path in found.items():
        try:
            yield _in_a_line(name, path)
        except OSError:  # it was deleted meanwhile
            continue
        except FedlensError as error:
            yield Listed(name, trouble=f"cannot be read: {str(error).splitlines()[0]}")


def _in_a_line(name: str, path: Path) -> Listed:
    file = path / "experiment.yaml"
    experiment = _experiment(str(file), file.stat().st_mtime_ns)
    if (unjudged := read_unjudged(path)) is not None:
        return Listed(name, changed=file.stat().st_mtime, trouble=str(unjudged[0]))
    rounds = path / "rounds.jsonl"
    last = _last(rounds) if rounds.exists() else None
    changed = (rounds if rounds.exists() else file).stat().st_mtime
    return Listed(
        name,
        attack_name(experiment),
        experiment.seed,
        last["round"] if last else 0,
        experiment.rounds,
        (path / "summary.json").exists(),
        last["quality"]["accuracy"] if last else None,
        confidence(last["target"]) if last and last["target"] else None,
        changed,
    )


@lru_cache(maxsize=4096)
def _experiment(file: str, changed: int) -> Experiment:  # noqa: ARG001 - a file that has changed is read anew
    return load_recorded(Path(file).parent)


def _last(file: Path) -> dict[str, Any] | None:
    """The record in the last whole line of a file of them.

    Raises:
        DamagedRunError: it is damaged.
    """
    with regular(file, None).open("rb") as content:
        size = content.seek(0, 2)
        content.seek(max(0, size - _TAIL))
        lines = content.read().splitlines(keepends=True)
    whole = next((line for line in reversed(lines) if line.endswith(b"\n")), None)
    return None if whole is None else read_latest(file, whole)
