"""The list of runs below a folder, from the last line of each: fast for many, and robust to half-written lines."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fedlens.core.errors import FedlensError
from fedlens.core.regular import regular
from fedlens.experiment.experiment import Experiment
from fedlens.report.words import attack_name, error_words
from fedlens.runs.loading import load_recorded
from fedlens.runs.parse_records import Latest
from fedlens.runs.reading import read_latest
from fedlens.runs.unjudged import read_unjudged

_PATTERNS = ("experiment.yaml", "*/experiment.yaml", "*/*/experiment.yaml", "*/cells/*/experiment.yaml")
_TAIL = 1 << 20
"""Bytes to read from the end; more than a round's line has, unless there are thousands of clients."""


@dataclass(frozen=True)
class ListedRun:
    """A line of the list of runs.

    Attributes:
        name: its directory, relative to the folder; ``.`` for the folder itself.
        attack: the attack's name.
        seed: the experiment's seed.
        rounds_done: number of rounds recorded.
        rounds: number of rounds in all.
        finished: whether the run is complete.
        accuracy: of the global model after the last round recorded, if any.
        confidence: in the target class, likewise.
        rate: the attack success rate of a backdoor, likewise.
        error: the mean absolute error of a regression, likewise, in words.
        changed: time of the last change, in seconds since 1970.
        trouble: why there are no numbers.
    """

    name: str
    attack: str = ""
    seed: int = 0
    rounds_done: int = 0
    rounds: int = 0
    finished: bool = False
    accuracy: float | None = None
    confidence: float | None = None
    rate: float | None = None
    error: str = ""
    changed: float = 0.0
    trouble: str = ""


def directories(folder: Path) -> dict[str, Path]:
    """Return the run directories by name: those in the folder, in its subfolders, and the cells of sweeps.

    Links that lead out of the folder are not followed, neither to a run nor from one.
    """
    root = folder.resolve()
    paths = {file.parent for pattern in _PATTERNS for file in folder.glob(pattern)}
    return {
        str(path.relative_to(folder)): path
        for path in sorted(paths)
        if (not path.name.startswith(".") or path == folder) and not _leads_out(path, root)
    }


def _leads_out(run: Path, root: Path) -> bool:
    """Tell whether a run directory, or something in it that a page shows, is a link to elsewhere."""
    paths = [run]
    for folder in (run, run / "explanations", run / "checks"):
        with suppress(OSError), os.scandir(folder) as entries:
            paths += [Path(entry.path) for entry in entries if entry.is_symlink()]
    return not all(path.resolve().is_relative_to(root) for path in paths)


def list_runs(folder: Path) -> list[ListedRun]:
    """List every run below `folder`, the latest change first."""
    return sorted(_read_runs(directories(folder)), key=lambda run: -run.changed)


def _read_runs(paths: dict[str, Path]) -> Iterator[ListedRun]:
    for name, path in paths.items():
        try:
            yield _read_run(name, path)
        except OSError:  # the run was deleted meanwhile
            continue
        except FedlensError as error:
            yield ListedRun(name, trouble=f"cannot be read: {str(error).splitlines()[0]}")


def _read_run(name: str, path: Path) -> ListedRun:
    file = path / "experiment.yaml"
    experiment = _experiment(str(file), file.stat().st_mtime_ns)
    if (unjudged := read_unjudged(path)) is not None:
        return ListedRun(name, changed=file.stat().st_mtime, trouble=str(unjudged[0]))
    rounds = path / "rounds.jsonl"
    last = _last_record(rounds) if rounds.exists() else None
    changed = (rounds if rounds.exists() else file).stat().st_mtime
    return ListedRun(
        name,
        attack_name(experiment),
        experiment.seed,
        last.round if last else 0,
        experiment.rounds,
        (path / "summary.json").exists(),
        last.quality.accuracy if last else None,
        last.target.mean_confidence if last and last.target else None,
        last.backdoor.rate if last and last.backdoor else None,
        error_words(last.quality.metrics.get("mae")) if last and last.quality.accuracy is None else "",
        changed,
    )


@lru_cache(maxsize=4096)
def _experiment(file: str, changed: int) -> Experiment:  # noqa: ARG001 - part of the cache's key
    return load_recorded(Path(file).parent)


def _last_record(file: Path) -> Latest | None:
    """Return the record in the last complete line of a file of records; ``None`` if there is none.

    Raises:
        DamagedRunError: the line is damaged.
    """
    with regular(file, None).open("rb") as content:
        size = content.seek(0, 2)
        content.seek(max(0, size - _TAIL))
        lines = content.read().splitlines(keepends=True)
    complete = next((line for line in reversed(lines) if line.endswith(b"\n")), None)
    return None if complete is None else read_latest(file, complete)
