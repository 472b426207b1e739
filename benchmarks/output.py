"""What every benchmark says of the machine, where it prints, and how it writes JSON."""

import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from fedlens.core.threads import cores


def new_console() -> Console:
    """Where tables are printed; they are wide enough for that if nobody looks."""
    return Console(width=None if sys.stdout.isatty() else 120, highlight=False)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a benchmark's tables."""
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def describe_machine() -> dict[str, Any]:
    """What the numbers depend on, and how busy it is."""
    return {
        "cpu": cpu_name(),
        "cores": cores(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def cpu_name() -> str:
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def in_words(machine: Mapping[str, Any]) -> str:
    """The machine in a line."""
    return (
        f"{machine['cpu']}, {machine['cores']} cores, torch {machine['torch']}, Python {machine['python']}, "
        f"load {machine['load']} before the first round"
    )
