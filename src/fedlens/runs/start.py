"""What is known when a run or a sweep begins and its description does not say: ``start.json`` in its directory."""

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
    """See the module.

    Attributes:
        id: by which `fedlens.runs.ownership` tells whose the directory is.
        engine: who did the work of a run; of one that was begun by ``auto``, the engine that was chosen.
        workers: how many, where somebody asked for so many or the bits depend on it.
        device: where PyTorch computed, if not on the CPU.
        data_dir: where the user's data files were.
        mixed_cpus: whether a Ray cluster's processors were allowed to differ.
        parts: what was noted of classes that are not fedlens' own, by kind and name (`fedlens.core.recorded.note_of`).
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
    def of(cls, experiment: Experiment, **means: Any) -> "Start":
        """What there is to say of a run of `experiment` by these means."""
        parts: dict[str, dict[str, Any]] = {}
        for kind, part in experiment.parts():
            if not is_built_in(kind, part):
                parts.setdefault(kind, {})[name_of(kind, part)] = note_of(kind, part)
        return cls(parts=parts, **means)

    def content(self) -> dict[str, Any]:
        """As it stands in the file."""
        return self.model_dump(mode="json", exclude_defaults=True) | {"id": self.id}


def read_start(path: Path) -> Start | None:
    """What was known when the run or the sweep in the directory `path` began; ``None`` where nothing was written down.

    Raises:
        DamagedRunError: the file is damaged.
    """
    file = path / START
    if not file.exists():
        return None
    try:
        return Start.model_validate(read_json(file))
    except ValidationError as error:
        raise DamagedRunError(f"{file}: damaged ({_told(error)}); {ANEW}") from None


def _told(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{cut('.'.join(map(str, first['loc'])))}: {cut(first['msg'], 200)}"


def read_notes(path: Path) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """What the run in the directory `path` noted of its parts' classes."""
    start = read_start(path)
    return start.parts if start is not None else {}
