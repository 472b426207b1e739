"""Ownership of runs and sweeps: this user's, who began it, or somebody else's.

To run it again, a ``module:Class`` that the user's own run names is imported; one that somebody else's names is not,
until the user says so. When a run begins, its directory gets an id, and a file that only this user can write gets that
id with a digest of the description. A copied or moved directory has the same id; if its description changed, e.g. on
somebody else's machine, it is a stranger's.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedlens.core.errors import ConfigError, DamagedRunError
from fedlens.core.paths import append_state, read_state
from fedlens.core.registry import BUILT_IN
from fedlens.core.regular import regular
from fedlens.runs.start import read_start

NAMING = {*BUILT_IN, "make"}
"""Options that may name code: components, and what makes a strategy of Flower's."""


def claim(path: Path, description: bytes) -> None:
    """Record that this user begins the run or sweep in `path`, which has its id, with this description.

    If that fails, the directory will count as foreign, which matters only if it names modules.
    """
    start = read_start(path)
    assert start is not None, "it has not begun"
    append_state("runs", _line(start.id, description))


def is_ours(file: Path) -> bool:
    """Tell whether this user began the run or sweep that `file` describes, in the directory of `file`."""
    try:
        if (start := read_start(file.parent)) is None:
            return False
        return _line(start.id, regular(file).read_bytes()) in read_state("runs")
    except (OSError, DamagedRunError):
        return False


def require_trusted(file: Path, values: Mapping[str, Any], trust: bool) -> None:
    """Check that code named by somebody else's description may be run.

    Args:
        file: the description, in the directory of a run or a sweep.
        values: the part of it that is about to be run.
        trust: whether the user trusts it.

    Raises:
        ConfigError: it names modules, is not this user's, and is not trusted.
    """
    names = code_named(values)
    if not names or trust or is_ours(file):
        return
    modules = ", ".join(dict.fromkeys(name.partition(":")[0] for name in names))
    raise ConfigError(
        f"{file.parent}: you did not begin this, or its {file.name} has changed since, and it names code to be run: "
        f"{', '.join(names)}; look at what these modules are ({modules}), and add --trust if they may be imported"
    )


def code_named(values: Mapping[str, Any]) -> list[str]:
    """List each ``module:Class`` that the description of an experiment or a grid names as a component."""
    names: dict[str, None] = {}

    def visit(option: str, value: Any) -> None:
        match value:
            case str() if ":" in value and option in NAMING:
                names[value] = None
            case Mapping():
                for key, below in value.items():
                    visit(option if key == "name" else str(key).removesuffix(".name").rpartition(".")[2], below)
            case list() | tuple():
                for entry in value:
                    visit(option, entry)

    visit("", values)
    return list(names)


def _line(identity: str, description: bytes) -> str:
    return f"{identity} {hashlib.sha256(description).hexdigest()}"
