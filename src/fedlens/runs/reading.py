"""Reading the files of a run directory, which may be damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter
from safetensors import SafetensorError

from fedlens.core.errors import DamagedRunError
from fedlens.core.regular import ANEW, regular
from fedlens.runs.consistency import misfit
from fedlens.runs.metadata import START, TARGET, TIMING, StartRecord, TargetRecord, TimingRecord
from fedlens.runs.parse_records import LATEST, Latest, parsed, parsed_round
from fedlens.runs.record import RoundRecord
from fedlens.runs.run_summary import SUMMARY, Summary

DIGESTS = "digests.json"
"""File with digests of what a run was begun with."""

TROUBLE = (OSError, SafetensorError, LookupError, ValueError, TypeError, RuntimeError, AttributeError, RecursionError)
"""Errors that safetensors, PyTorch and pandas may raise on a damaged or forged file."""

T = TypeVar("T")

if TYPE_CHECKING:
    from torch import Tensor


def predictions_file(run: Path, round_: int) -> Path:
    """Return the path of a benign twin's predictions after this round."""
    return run / "predictions" / f"{round_:05d}.safetensors"


def keeps_predictions(run: Path) -> bool:
    """Tell whether a run directory has the predictions of every round so far."""
    begun = any((run / name).exists() for name in ("checkpoint.safetensors", "summary.json"))
    return not begun or predictions_file(run, 1).parent.is_dir()


def load_predictions(run: Path, round_: int) -> Tensor:
    """Load a benign twin's log-probabilities on the test set after this round, shape ``[samples, classes]``.

    Raises:
        DamagedRunError: they are missing or damaged.
    """
    return load_tensor(predictions_file(run, round_), "log_probabilities")


def tables_file(run: Path, round_: int) -> Path:
    """Return the path of the tables of this round."""
    return run / "checks" / f"{round_:05d}.safetensors"


def load_tables(run: Path, round_: int) -> dict[str, Tensor]:
    """Load the tables of this round, by ``check.table`` or ``recording.table``; empty if there are none.

    Raises:
        DamagedRunError: they are damaged.
    """
    from safetensors.torch import load_file

    path = tables_file(run, round_)
    try:
        return load_file(regular(path, None)) if path.exists() else {}
    except TROUBLE as error:
        raise DamagedRunError(f"{path}: damaged ({error})") from error


def load_tensor(path: Path, name: str, remark: str = "") -> Tensor:
    """Load the tensor called `name` in a safetensors file.

    Raises:
        DamagedRunError: it is missing or damaged; `remark` ends the message.
    """
    from safetensors.torch import load_file

    try:
        return load_file(regular(path, None))[name]
    except TROUBLE as error:
        raise DamagedRunError(f"{path}: missing or damaged ({error}){remark}") from error


def read_rounds(run: Path, malicious: int | None = None, count: int | None = None) -> list[RoundRecord]:
    """Read a run's records, of all rounds or the first `count`; empty if there is no file.

    Args:
        run: the run's directory.
        malicious: the client that attacks, which records of version 1 do not say; ``None`` if there is no attack.
        count: how many rounds to read.

    Raises:
        DamagedRunError: one is damaged.
    """
    return _lines(run / "rounds.jsonl", lambda line: parsed_round(line, malicious), count)


def count_rounds(run: Path) -> int:
    """Count the recorded rounds of a run, damaged or not."""
    return len(_whole_lines(run / "rounds.jsonl"))


def read_starts(run: Path) -> list[StartRecord]:
    """Read the environments in which a run was started.

    Raises:
        DamagedRunError: the file is damaged.
    """
    return _lines(run / "environment.jsonl", lambda line: parsed(START, line))


def read_timings(run: Path) -> list[TimingRecord]:
    """Read the seconds of each round's stages.

    Raises:
        DamagedRunError: the file is damaged.
    """
    return _lines(run / "timings.jsonl", lambda line: parsed(TIMING, line))


def read_target(run: Path) -> TargetRecord:
    """Read the target samples, and the names of all classes.

    Raises:
        DamagedRunError: the file is damaged.
    """
    file = run / "target.json"
    target = _whole(file, TARGET)
    if (fault := misfit(target)) is not None:
        raise DamagedRunError(f"{file}: damaged ({fault}); {ANEW}")
    return target


def read_summary(run: Path) -> Summary:
    """Read the summary of a complete run.

    Raises:
        DamagedRunError: the file is damaged.
    """
    return _whole(run / "summary.json", SUMMARY)


def read_json(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file.

    Raises:
        DamagedRunError: it cannot be read.
    """
    try:
        content = json.loads(regular(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedRunError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise DamagedRunError(f"{path}: cannot be read (it holds no object)")
    return content


def read_latest(file: Path, line: bytes) -> Latest:
    """Parse a record's line in the file to what a list of runs shows.

    Raises:
        DamagedRunError: it is damaged.
    """
    try:
        return parsed(LATEST, line)
    except ValueError as error:
        raise DamagedRunError(f"{file}: damaged ({error}); {ANEW}") from None


def _lines(path: Path, parse: Callable[[bytes], T], count: int | None = None) -> list[T]:
    values = []
    for number, line in enumerate(_whole_lines(path)[:count], 1):
        try:
            values.append(parse(line))
        except ValueError as error:
            raise DamagedRunError(f"{path}, line {number}: damaged ({error}); {ANEW}") from None
    return values


def _whole_lines(path: Path) -> list[bytes]:
    """Read a file's complete lines; empty if there is no file."""
    try:
        return regular(path).read_bytes().split(b"\n")[:-1] if path.exists() else []
    except OSError as error:
        raise DamagedRunError(f"{path}: cannot be read ({error.strerror or error})") from error


def _whole(path: Path, shape: TypeAdapter[T]) -> T:
    try:
        return parsed(shape, regular(path).read_bytes())
    except OSError as error:
        raise DamagedRunError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise DamagedRunError(f"{path}: damaged ({error}); {ANEW}") from None
