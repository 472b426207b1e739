"""Wall time and peak memory of a command and of everything that it starts."""

import os
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event, Thread

import psutil

INTERVAL = 0.1
SELDOM = 1.0
GROWTH = 1.05
"""Every interval the resident set sizes are added up. Proportional ones take long to find out, as the system counts
pages: they are asked for where the sum has grown by this factor since the last time, or that was a second ago."""

PATIENCE = 10
MARK = "FEDLENS_BENCHMARK_JOB"


@dataclass(frozen=True)
class Watched:
    """What a command took.

    Attributes:
        seconds: from its start to its exit.
        peak: most memory of its processes together, in bytes: proportional set size, in which shared pages count once,
            or resident set size where the system has none.
        left: how many processes still ran 10 s after it ended; they were killed.
    """

    seconds: float
    peak: int
    left: int


def watch(command: Sequence[str], environment: Mapping[str, str]) -> Watched:
    """Run `command`.

    Raises:
        RuntimeError: it failed.
    """
    mark, stop = uuid.uuid4().hex, Event()
    family = Family(mark)
    sampler = Thread(target=family.sample_until, args=(stop,))
    with TemporaryFile("w+") as messages:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=messages,
        )
        sampler.start()
        try:
            process.wait()
            seconds = time.perf_counter() - began
        finally:
            stop.set()
            sampler.join()
            left = family.end()
        if process.returncode != 0:
            messages.seek(0)
            raise RuntimeError(f"{Path(command[0]).name} failed:\n{messages.read()[-2000:]}")
    return Watched(seconds, family.peak, left)


class Family:
    """The processes with a mark in their environment, and all that they start, detached or not."""

    def __init__(self, mark: str) -> None:
        self.peak = 0
        self._mark = mark
        self._strangers: set[psutil.Process] = set()
        self._members: set[psutil.Process] = set()

    def sample_until(self, stop: Event) -> None:
        """Take samples until it is time to stop."""
        last, before = -SELDOM, 0
        while not stop.wait(INTERVAL):
            living = self._living()
            now, total = time.perf_counter(), sum(map(resident, living))
            if total > GROWTH * before or now > last + SELDOM:
                self.peak = max(self.peak, sum(map(proportional, living)))
                last, before = now, total

    def end(self) -> int:
        """Wait until all of them have ended, kill those that have not; how many these were."""
        limit = time.perf_counter() + PATIENCE
        while (running := [process for process in self._living() if runs(process)]) and time.perf_counter() < limit:
            time.sleep(INTERVAL)
        for process in running:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return len(running)

    def _living(self) -> list[psutil.Process]:
        """The members that the system lists."""
        living = []
        for process in psutil.process_iter():
            if process not in self._strangers and (process in self._members or self._joins(process)):
                self._members.add(process)
                living.append(process)
        return living

    def _joins(self, process: psutil.Process) -> bool:
        """Whether a process that is not a member yet is one; what has been found to be none is remembered.

        A process may overwrite its environment, as Ray's workers do to show a title, but their parents have the mark.
        """
        try:
            environment = process.environ()
            if environment.get(MARK) == self._mark or process.ppid() in {member.pid for member in self._members}:
                return True
        except psutil.Error:
            environment = {"": "not ours to read"}
        if environment:  # it has none while it is being started
            self._strangers.add(process)
        return False


def runs(process: psutil.Process) -> bool:
    """Whether it has not ended; one that has, and that nobody asked about yet, still has a number."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def proportional(process: psutil.Process) -> int:
    """The proportional set size in bytes, or the resident one where that is unknown; 0 where the process has ended."""
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.rss))
    except psutil.NoSuchProcess:
        return 0
    except psutil.AccessDenied:
        return resident(process)


def resident(process: psutil.Process) -> int:
    """The resident set size in bytes; 0 where the process has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
