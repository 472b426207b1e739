"""Rounds of a script that runs as a process of its own, one at a time.

The script gets a task's file as its argument. It reads the line ``play`` before every round and writes the test
accuracy as a line after it; at any other line it ends.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from plain import make_task
from task import Task

from fedlens.core.quiet import SILENT
from fedlens.experiment.setting import Setting

QUIET = {**SILENT, "PYTHONWARNINGS": "ignore"}
"""Environment variables that keep contenders off the network and their warnings out of the table."""

PATIENCE = 60
"""Seconds that a script may take to end."""


@contextmanager
def stepped(
    script: str,
    setting: Setting,
    *,
    python: Sequence[str] = (sys.executable,),
    arguments: Sequence[str] = (),
    write: Callable[[Task, Path], None] = Task.save,
) -> Iterator[Iterator[float]]:
    """The rounds of `script`, a file beside this one, which ends with the block.

    Args:
        script: its name.
        setting: the experiment.
        python: what runs it.
        arguments: what it is told besides the file of the task.
        write: puts the task into that file.

    Raises:
        RuntimeError: the script ended before it was told to.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, "task")
        write(make_task(setting), path)
        command = [*python, str(Path(__file__).with_name(script)), str(path), *arguments]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **QUIET}
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield rounds(script, process.stdin, process.stdout)
        finally:
            end(process)


def rounds(script: str, asked: IO[str], answered: IO[str]) -> Iterator[float]:
    """Ask for a round, and wait for its accuracy; without end."""
    while True:
        try:
            asked.write("play\n")
            asked.flush()
        except BrokenPipeError:
            raise RuntimeError(f"{script} has ended; its own message stands above") from None
        if not (line := answered.readline()):
            raise RuntimeError(f"{script} has ended; its own message stands above")
        yield float(line)


def end(process: subprocess.Popen[str]) -> None:
    """Ask `process` to end, or make it."""
    try:
        process.communicate("end\n", timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
