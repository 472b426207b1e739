"""Reading the files of a run directory, which may be damaged."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from fedlens.errors import DamagedRunError
from fedlens.runs.documents import revived


def predictions_file(run: Path, round_: int) -> Path:
    """Where a benign twin's predictions after this round are."""
    return run / "predictions" / f"{round_:05d}.safetensors"


def keeps_predictions(run: Path) -> bool:
    """Whether a run's directory has its predictions of every round played so far."""
    begun = any((run / name).exists() for name in ("checkpoint.safetensors", "summary.json"))
    return not begun or predictions_file(run, 1).parent.is_dir()


def load_predictions(run: Path, round_: int) -> Tensor:
    """A benign twin's log-probabilities on the test set after this round, shape ``[samples, classes]``.

    Raises:
        DamagedRunError: they are missing or damaged.
    """
    return load_tensor(predictions_file(run, round_), "log_probabilities")


def tables_file(run: Path, round_: int) -> Path:
    """Where the checks' tables of this round are."""
    return run / "checks" / f"{round_:05d}.safetensors"


def load_tables(run: Path, round_: int) -> dict[str, Tensor]:
    """The checks' tables of this round, by ``check.table``; none where no check made one.

    Raises:
        DamagedRunError: they are damaged.
    """
    path = tables_file(run, round_)
    try:
        return load_file(path) if path.exists() else {}
    except (OSError, SafetensorError) as error:
        raise DamagedRunError(f"{path}: damaged ({error})") from error


def load_tensor(path: Path, name: str, remark: str = "") -> Tensor:
    """The tensor called `name` in a safetensors file.

    Raises:
        DamagedRunError: it is missing or damaged; `remark` ends the message.
    """
    try:
        return load_file(path)[name]
    except (OSError, SafetensorError, KeyError) as error:
        raise DamagedRunError(f"{path}: missing or damaged ({error}){remark}") from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects in a file of JSON lines; none where there is no file. A line still being written does not count.

    Raises:
        DamagedRunError: a line is damaged.
    """
    try:
        lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
        return [revived(json.loads(line)) for line in lines[:-1]]
    except (OSError, ValueError) as error:
        raise DamagedRunError(f"{path}: cannot be read ({error})") from error


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        DamagedRunError: it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedRunError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise DamagedRunError(f"{path}: cannot be read (it holds no object)")
    return content
