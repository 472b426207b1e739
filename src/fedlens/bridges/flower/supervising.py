"""A SuperNode as a child: what its node logs is told at once, and it is stopped with all that it has started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PATIENCE = 20.0
"""Seconds for a SuperNode to end by itself, and for what it has started; some 10 are usual."""
PAUSE = 0.2


def supervise(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    tell: Callable[[Mapping[str, Any]], None],
    patience: float = PATIENCE,
) -> int | None:
    """Run a SuperNode until it ends, or this process is asked to.

    Args:
        command: starts it.
        environment: its.
        log: JSON lines that are told as they are added.
        tell: is given each.
        patience: in seconds.

    Returns:
        The SuperNode's exit code; ``None`` if this process was asked to stop it.
    """
    start = log.stat().st_size if log.exists() else 0
    lines = _added(log, start)
    with _asked_to_stop() as asked:
        child = subprocess.Popen(command, env=environment, start_new_session=True)
        try:
            while child.poll() is None and not asked:
                _tell(lines, tell)
                time.sleep(PAUSE)
            code = child.returncode
        finally:
            _stop(child, patience)
            _tell(lines, tell)
    return code


def _stop(child: subprocess.Popen[bytes], patience: float) -> None:
    """Let a SuperNode end as by Ctrl-C; what it has started ends when it sees that, and is killed if it does not."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience)
    late = time.monotonic() + patience
    while _is_left(child) and time.monotonic() < late:
        time.sleep(PAUSE)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _is_left(child: subprocess.Popen[bytes]) -> bool:
    """Tell whether a process of the child's session is left."""
    if child.poll() is None:
        return False  # it has not ended in time, nor will those that watch it
    try:
        os.killpg(child.pid, 0)
    except ProcessLookupError:
        return False
    return True


def _tell(lines: Iterator[str | None], tell: Callable[[Mapping[str, Any]], None]) -> None:
    while (line := next(lines)) is not None:
        tell(json.loads(line))


def _added(log: Path, start: int) -> Iterator[str | None]:
    """Yield whole lines that are added to a file, and ``None`` as long as there are none."""
    rest, place = b"", start
    while True:
        if log.exists():
            with log.open("rb") as file:
                file.seek(place)
                read = file.read()
            place += len(read)
            *lines, rest = (rest + read).split(b"\n")
            yield from (line.decode() for line in lines)
        yield None


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """Note SIGINT, SIGTERM and SIGHUP in a list, in place of what they do else."""
    asked: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, lambda number, _: asked.append(number))
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
