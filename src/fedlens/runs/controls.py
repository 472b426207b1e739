"""Which benign twin and placebo a run is compared with: ``controls.json`` in its directory.

They are in the user's cache, where others find them, too; the file has their keys and, for people, their paths below
the cache.
"""

from collections.abc import Mapping
from pathlib import Path
from shlex import join
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, computed_field

from fedlens.core.errors import DamagedRunError
from fedlens.core.paths import private_cache
from fedlens.runs.reading import read_json

CONTROLS = "controls.json"
FOLDER = "controls"


def cache_path(key: str) -> Path:
    """Return the directory of the control with this key in the cache."""
    return private_cache(FOLDER) / key


class NamedControl(BaseModel):
    """A control by its name.

    Attributes:
        key: of `fedlens.simulation.twin.key`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str = Field(pattern="^[0-9a-f]{24}$")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def path(self) -> str:
        """Its directory, relative to the cache; follows from the key, and is never read."""
        return f"{FOLDER}/{self.key}"


class NamedControls(BaseModel):
    """The content of ``controls.json``; ``None`` for what the run does without."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    control: NamedControl | None = None
    placebo: NamedControl | None = None


def content_of(keys: Mapping[str, str]) -> dict[str, Any]:
    """Return the file's content for controls of these keys, by their names in records."""
    controls = NamedControls.model_validate({name: {"key": key} for name, key in keys.items()})
    return controls.model_dump(exclude_none=True)


def read_controls(run: Path) -> NamedControls | None:
    """Read the names of a run's controls; ``None`` if there is no file, as in runs of 0.1 and runs without controls.

    Raises:
        DamagedRunError: the file is damaged.
    """
    file = run / CONTROLS
    if not file.exists():
        return None
    try:
        return NamedControls.model_validate(read_json(file))
    except (DamagedRunError, ValidationError) as error:
        anew = join(["fedlens", "run", "--resume", "--out", str(run)])
        raise DamagedRunError(f"{file}: damaged, so that it names no benign twin; write it anew: {anew}") from error
