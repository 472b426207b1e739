"""Whose a run or a sweep is: this user's, who began it, or somebody else's.

What a run of one's own names as ``module:Class`` may be imported to run it again; what somebody else's names may not,
until the user says so. When a run begins, its directory gets an id, and a file of the user's, which nobody else can
write, has that id with a digest of the description. Copied or moved, a directory keeps its id; with another
description, be it that it went to somebody and came back, it is a stranger's.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fedlens.core.errors import ConfigError, DamagedRunError
from fedlens.core.paths import state_dir
from fedlens.core.registry import BUILT_IN
from fedlens.core.regular import regular
from fedlens.runs.start import read_start


def claim(path: Path, description: bytes) -> None:
    """Note that this user begins the run or the sweep in `path`, which has its id, with this description.

    Where that cannot be noted, the directory will be foreign, which is no harm unless it names modules.
    """
    start = read_start(path)
    assert start is not None, "it has not begun"
    with suppress(OSError):
        folder = state_dir()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder / "runs", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.write(_line(start.id, description).encode() + b"\n")


def is_ours(file: Path) -> bool:
    """Whether this user began what the description `file` (of a run or a sweep) says, in the directory around it."""
    try:
        if (start := read_start(file.parent)) is None:
            return False
        wanted = _line(start.id, regular(file).read_bytes())
        with (state_dir() / "runs").open("rb") as known:
            status = os.fstat(known.fileno())
            if status.st_uid != os.geteuid() or status.st_mode & 0o022:  # others could have written it
                return False
            return wanted in known.read().decode().splitlines()
    except (OSError, DamagedRunError, UnicodeDecodeError):
        return False


def require_trusted(file: Path, values: Mapping[str, Any], trust: bool) -> None:
    """Refuse to run what somebody else's description names, unless the user trusts it.

    Args:
        file: the description, in the directory of a run or a sweep.
        values: what of it is about to be run.
        trust: whether the user said so.

    Raises:
        ConfigError: it names modules, it is not this user's, and nobody trusts it.
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
    """Each ``module:Class`` that a description of an experiment, or of a grid of them, names as a part."""
    found: dict[str, None] = {}

    def visit(option: str, value: Any) -> None:
        match value:
            case str() if ":" in value and option in BUILT_IN:
                found[value] = None
            case Mapping():
                for key, below in value.items():
                    visit(option if key == "name" else str(key).removesuffix(".name"), below)
            case list() | tuple():
                for one in value:
                    visit(option, one)

    visit("", values)
    return list(found)


def _line(identity: str, description: bytes) -> str:
    return f"{identity} {hashlib.sha256(description).hexdigest()}"
