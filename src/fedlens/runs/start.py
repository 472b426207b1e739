"""Facts about the start of a run or sweep that its description lacks: ``start.json`` in its directory."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from fedlens.core.engine_name import EngineName
from fedlens.core.errors import DamagedRunError, cut
from fedlens.core.recorded import note_of
from fedlens.core.registry import is_built_in, name_of
from fedlens.core.regular import ANEW
from fedlens.experiment.experiment import Experiment
from fedlens.runs.reading import read_json

START = "start.json"


class Start(BaseModel):
    """The content of ``start.json``.

    Attributes:
        id: tells `fedlens.runs.ownership` whose the directory is.
        engine: the run's engine; with ``auto``, the one chosen.
        workers: their number, if the user set it or bits depend on it.
        device: PyTorch's device, if not the CPU.
        data_dir: directory of the user's data files, in runs of version 0.1 (`fedlens.runs.data_directory`).
        mixed_cpus: True if a Ray cluster's processors may differ.
        parts: notes on custom components, by kind and name (`fedlens.core.recorded.note_of`).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(default_factory=lambda: secrets.token_hex(16), pattern="^[0-9a-f]{32}$")
    engine: EngineName = "auto"
    workers: PositiveInt | None = None
    device: str | None = None
    data_dir: str | None = None
    mixed_cpus: bool = False
    parts: dict[str, dict[str, dict[str, bool | int | str | list[str]]]] = Field(default_factory=dict)

    @classmethod
    def of(cls, experiment: Experiment, **runtime: Any) -> "Start":
        """Describe the start of a run of `experiment` on this runtime."""
        parts: dict[str, dict[str, Any]] = {}
        for kind, component in experiment.components():
            if not is_built_in(kind, component):
                parts.setdefault(kind, {})[name_of(kind, component)] = note_of(kind, component)
        return cls(parts=parts, **runtime)

    def content(self) -> dict[str, Any]:
        """Return the content of the file."""
        return self.model_dump(mode="json", exclude_defaults=True) | {"id": self.id}


def read_start(path: Path) -> Start | None:
    """Read the start of the run or sweep in the directory `path`; ``None`` if there is no file.

    Raises:
        DamagedRunError: the file is damaged.
    """
    file = path / START
    if not file.exists():
        return None
    try:
        return Start.model_validate(read_json(file))
    except ValidationError as error:
        raise DamagedRunError(f"{file}: damaged ({_described(error)}); {ANEW}") from None


def _described(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{cut('.'.join(map(str, first['loc'])))}: {cut(first['msg'], 200)}"


def read_notes(path: Path) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Read the notes on the custom classes of the run in the directory `path`."""
    start = read_start(path)
    return start.parts if start is not None else {}
