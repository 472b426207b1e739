"""An executor that runs tasks in worker processes of this machine."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Self

from typing_extensions import override

from fedlens.core.errors import RunError
from fedlens.core.files import write_atomically, writing
from fedlens.core.private_paths import without_folders
from fedlens.core.quiet import SILENT
from fedlens.simulation.callback import Event
from fedlens.sweeps.task_queue import TaskQueue
from fedlens.sweeps.tasks import Executor, Notify, Task

GLANCE = 0.5
"""Seconds after which silent workers are polled: a dead worker's own child processes may keep its pipe open."""


class LocalExecutor(Executor):
    """An executor with worker processes of this machine.

    Args:
        jobs: number of worker processes.
        log: file for what the workers print.
    """

    def __init__(self, jobs: int, log: Path) -> None:
        self.jobs = jobs
        self._log_path = log
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        """Open the log."""
        with writing(self._log_path):
            self._log: IO[bytes] = self._log_path.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        """End all workers, in the middle of a task where something went wrong; shorten paths in what they printed."""
        for worker in self._workers:
            worker.end()
        self._log.close()
        with contextlib.suppress(OSError, RunError):  # it was removed, or the disk is full
            printed = self._log_path.read_text(encoding="utf-8", errors="replace")
            if (private := without_folders(printed)) != printed:
                write_atomically(self._log_path, private.encode())

    @override
    def run(self, tasks: Sequence[Task], notify: Notify) -> None:
        queue = TaskQueue(tasks)
        while True:
            while (self._idle() or len(self._workers) < self.jobs) and (task := queue.take()) is not None:
                if not self._idle():
                    self._workers.append(_Worker(self._log))
                self._idle()[0].begin(task)
            if all(worker.task is None for worker in self._workers):
                return
            for event in self._events():
                queue.note(event)
                notify(event)

    def _idle(self) -> "list[_Worker]":
        """Return the workers without a task, and drop those that have died meanwhile."""
        for worker in list(self._workers):
            if worker.task is None and worker.process.poll() is not None:
                worker.end()
                self._workers.remove(worker)
        return [worker for worker in self._workers if worker.task is None]

    def _events(self) -> Iterator[Event]:
        """Yield what has happened since the last call; wait a moment if nothing has."""
        busy = [worker for worker in self._workers if worker.task is not None]
        with selectors.DefaultSelector() as selector:
            for worker in busy:
                selector.register(worker.answers, selectors.EVENT_READ, worker)
            ready = [key.data for key, _ in selector.select(GLANCE)]
        for worker in ready:
            yield from worker.read()
        for worker in busy:
            if worker.task is not None and worker not in ready and worker.process.poll() is not None:
                worker.closed = True
            if worker.task is not None and worker.closed:
                key, cause = worker.task.key, worker.end()
                log = f"what it printed is in {self._log_path}"
                reason = f"the worker process died ({cause}); {log}; if memory ran out, use fewer --jobs"
                yield Event(key, "failed", {"reason": reason})


class _Worker:
    """A process that runs one task at a time; it leads a process group, which includes all that it forks."""

    def __init__(self, log: IO[bytes]) -> None:
        # -P: files in the working directory must not shadow Python's modules; sys.path below lets users' own be found
        command = [sys.executable, "-P", "-m", "fedlens.sweeps.worker"]
        search_path = {"PYTHONPATH": os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=log,
            env={**SILENT, **os.environ, **search_path},
            process_group=0,
            bufsize=0,
        )
        assert self.process.stdout is not None
        self.answers = self.process.stdout
        self.task: Task | None = None
        self.closed = False
        self._incomplete_line = b""

    def begin(self, task: Task) -> None:
        """Send it a task."""
        assert self.process.stdin is not None
        self.task = task
        message = memoryview(json.dumps(task.plain()).encode() + b"\n")
        with contextlib.suppress(BrokenPipeError):  # a dead worker is noticed when its answers are read
            while message:
                message = message[self.process.stdin.write(message) :]

    def read(self) -> Iterator[Event]:
        """Yield the events that it has sent of its task."""
        content = os.read(self.answers.fileno(), 1 << 16)
        self.closed = not content
        *lines, self._incomplete_line = (self._incomplete_line + content).split(b"\n")
        for line in lines:
            event = Event(**json.loads(line))
            if event.last:
                self.task = None
            yield event

    def end(self) -> str:
        """Kill the worker and all that it forked, as runs can be resumed; return how it had ended by itself, if so."""
        self.task = None
        if self.closed:
            with contextlib.suppress(subprocess.TimeoutExpired):  # its pipe closes a moment before it has ended
                self.process.wait(1)
        code = self.process.poll()
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left
            os.killpg(self.process.pid, signal.SIGKILL)
        with self.process:  # closes the pipes
            self.process.wait()
        if code is None:
            return "it closed its pipe"
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
