"""The choice of a directory for a run."""

import contextlib
from pathlib import Path

from fedlens.core.errors import DamagedRunError, RunError
from fedlens.core.suggest import another
from fedlens.experiment.experiment import Experiment
from fedlens.runs.loading import load_recorded
from fedlens.runs.reading import count_rounds
from fedlens.runs.start import START


def unused(experiment: Experiment, out: str | Path | None) -> Path:
    """Return a directory for a new run.

    Raises:
        RunError: `out` is not empty.
    """
    if out is not None:
        path = Path(out)
        if (path / "experiment.yaml").exists():
            played = count_rounds(path)
            if not played and _is_same(path, experiment):  # killed, or failed, before its first round
                return path
            raise RunError(
                f"{path}: a run is there already ({played} rounds); add --resume or choose another --out, "
                f"e.g. {another(path)}"
            )
        if path.exists() and not (path.is_dir() and {entry.name for entry in path.iterdir()} <= {".lock", START}):
            raise RunError(f"{path}: something else is there already; choose another --out, e.g. --out {another(path)}")
        return path
    path, number = Path("runs") / experiment.name, 1
    while path.exists():
        number += 1
        path = Path("runs") / f"{experiment.name}-{number}"
    return path


def _is_same(path: Path, experiment: Experiment) -> bool:
    with contextlib.suppress(DamagedRunError):
        return load_recorded(path, like=experiment).identity() == experiment.identity()
    return False


def resumable(experiment: Experiment, out: str | Path | None) -> Path:
    """Return the directory of the run to resume.

    Raises:
        RunError: there is none.
    """
    if out is not None:
        return written(Path(out)).parent
    candidates = sorted(Path("runs").glob("*/experiment.yaml"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in sorted(candidates, key=lambda file: (file.parent / "summary.json").exists()):  # unfinished ones first
        if _is_same(file.parent, experiment):
            return file.parent
    raise RunError("runs/: no run of this experiment to resume; name it by --out, or leave out --resume")


def written(path: Path) -> Path:
    """Return the file with the experiment of the run in the directory `path`.

    Raises:
        RunError: there is no run.
    """
    file = path / "experiment.yaml"
    if not file.exists():
        raise RunError(f"{path}: no run to resume; leave out --resume to begin one there")
    return file
