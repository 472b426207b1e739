"""How a run is made again: its experiment as YAML, the environments it was made in, the commands."""

from dataclasses import dataclass
from pathlib import Path
from shlex import join
from typing import Any

from fedlens.analysis.run_results import Run
from fedlens.core.parsing import dump_yaml
from fedlens.core.private_paths import without_folders, word_without_folders
from fedlens.core.redaction import redacted
from fedlens.report.html.table import Table
from fedlens.runs.metadata import StartRecord
from fedlens.runs.reading import read_starts


@dataclass(frozen=True)
class Start:
    """A start of a run, of which there are several where it was interrupted."""

    command: str
    environment: Table


def experiment_yaml(run: Run) -> str:
    """Return the whole experiment, as `fedlens run` reads it."""
    return dump_yaml(run.experiment.describe(), width=100)


def command(run: Path) -> str:
    """Return the command that makes the run in this directory again, in another one."""
    return join(["fedlens", "run", str(run / "experiment.yaml"), "--out", f"{run}-again"])


def starts(run: Path) -> list[Start]:
    """Read where and how the run in this directory was started.

    Raises:
        DamagedRunError: the file that says so is damaged.
    """
    recorded = read_starts(run)
    return [_start(start, f" of start {index}" * (len(recorded) > 1)) for index, start in enumerate(recorded, 1)]


def _start(recorded: StartRecord, which: str) -> Start:
    words = recorded.command
    facts = [(name, redacted(value)) for name, value in _flat("", recorded.plain()) if name != "command"]
    if isinstance(words, list):  # earlier versions wrote down all of it
        command = join(word_without_folders(redacted(word)) for word in words)
    else:
        command = without_folders(redacted(words))
    environment = Table(f"Environment{which}", ["what", "value"], facts, words=2)
    return Start(command, environment)


def _flat(name: str, value: Any) -> list[tuple[str, str]]:
    """Flatten nested facts to their dotted names."""
    if isinstance(value, dict):
        return [fact for key, below in value.items() for fact in _flat(f"{name}.{key}" if name else str(key), below)]
    return [(name, "–" if value is None else str(value))]
