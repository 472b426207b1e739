"""The environment of a run: versions, platform, commit."""

import platform
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from fedlens.core.installed import version
from fedlens.core.numerics import numerics
from fedlens.core.private_paths import ELSEWHERE, word_without_folders
from fedlens.core.redaction import redacted
from fedlens.runs.metadata import StartRecord

PACKAGES = ("fedlens", "torch", "numpy", "scikit-learn", "pydantic", "safetensors")


def describe_environment(arithmetic: str, **used: Any) -> StartRecord:
    """Describe this start of a run: by what, where and when.

    Args:
        arithmetic: of the engine, on which bits depend.
        used: engine, the reason for it, workers and device.
    """
    return StartRecord(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=_command(sys.argv),
        python=platform.python_version(),
        packages={name: version(name) for name in PACKAGES},
        platform=platform.platform(),
        machine=platform.machine(),
        numerics=numerics(arithmetic),
        commit=_commit(),
        **used,
    )


def _command(words: list[str]) -> list[str]:
    """Return a command line without secrets, and without the folders that its paths lead through."""
    program = [str(Path(word).parent if Path(word).name == "__main__.py" else word) for word in words[:1]]
    shown = [word_without_folders(redacted(word)) for word in (*program, *words[1:])]
    return [*(word.removeprefix(ELSEWHERE) for word in shown[:1]), *shown[1:]]


@cache
def _commit() -> str | None:
    """Return the commit of this source, with ``+`` if files differ from it; ``None`` without a checkout.

    It is asked for once, as this process imports the source once.
    """
    source = Path(__file__).parent
    try:
        shown = _git(source, "rev-parse", "--short=12", "HEAD")
        tracked = _git(source, "ls-files", "--error-unmatch", Path(__file__).name)
        changed = _git(source, "status", "--porcelain", "--untracked-files=no", ".")
    except (OSError, subprocess.SubprocessError):
        return None
    return (shown + ("+" if changed else "")) if tracked else None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
