"""Everything of Flower that is not public, and which versions will do."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version

from fedlens.core.errors import ConfigError

OLDEST, TOO_NEW = (1, 41), (1, 44)
WANTED = f"flwr>={OLDEST[0]}.{OLDEST[1]},<{TOO_NEW[0]}.{TOO_NEW[1]}"

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")  # or each import of Flower sends an event
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")


def flower_version() -> str:
    """Return the version of Flower that is installed.

    Raises:
        ConfigError: none is, or one that was not tried.
    """
    try:
        found = version("flwr")
    except PackageNotFoundError:
        raise ConfigError(
            f"Flower is not installed here; in an environment of its own: pip install 'fedlens[flower]' ({WANTED})"
        ) from None
    major, minor = (int(part) for part in found.split(".")[:2])
    if not OLDEST <= (major, minor) < TOO_NEW:
        raise ConfigError(f"Flower {found} is installed; these versions will do: pip install '{WANTED}'")
    return found


FLOWER = flower_version()

from flwr.supercore.task_identity import TaskIdentity  # noqa: E402


def identify(task: int = 1, run: int = 1, node: int = 1) -> None:
    """Say as what this process makes messages, unless Flower has: it does so in its own processes alone."""
    for name, number in (("task_id", task), ("run_id", run), ("node_id", node)):
        if getattr(TaskIdentity, f"_{name}") is None:
            setattr(TaskIdentity, name, number)
