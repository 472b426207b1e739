"""Tasks played by worker processes of this machine, as many at a time as there are cores to be had."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import IO, Self

from fedlens.runs.files import writing
from fedlens.sweeps.tasks import Event, Task, Tell


class Local:
    """The workforce of this machine.

    Args:
        jobs: worker processes.
        log: a file for what the workers print.
    """

    def __init__(self, jobs: int, log: Path) -> None:
        self.jobs = jobs
        self._log_path = log
        self._changed = Condition()
        self._workers: set[subprocess.Popen[str]] = set()
        self._over = False

    def __enter__(self) -> Self:
        """Open the log."""
        with writing(self._log_path):
            self._log: IO[str] = self._log_path.open("a", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all workers, in the middle of a task where something went wrong."""
        with self._changed:
            self._over = True
            for worker in self._workers:
                worker.terminate()
            self._changed.notify_all()
        for worker in list(self._workers):
            worker.wait()
        self._log.close()

    def play(self, tasks: Sequence[Task], tell: Tell) -> None:
        """See `Workforce.play`; of tasks with the same benign twin, one goes first and makes it."""
        waiting = Waiting(tasks)

        def told(event: Event) -> None:
            with self._changed:
                waiting.note(event)
                tell(event)
                self._changed.notify_all()

        def work() -> None:
            worker: subprocess.Popen[str] | None = None
            while (task := self._next(waiting)) is not None:
                if worker is None or worker.poll() is not None:
                    worker = self._start()
                self._serve(worker, task, told)
            if worker is not None:
                with worker:  # closes its pipes, at which it ends, and waits for it
                    pass
                self._workers.discard(worker)

        threads = [Thread(target=work, daemon=True) for _ in range(min(self.jobs, len(tasks)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _next(self, waiting: "Waiting") -> Task | None:
        """The next task that can be begun, once there is one; ``None`` when all have been begun."""
        with self._changed:
            while not self._over:
                if (task := waiting.take()) is not None:
                    return task
                if waiting.empty:
                    return None
                self._changed.wait()
        return None

    def _start(self) -> subprocess.Popen[str]:
        """A new worker process."""
        command = [sys.executable, "-m", "fedlens.sweeps.worker"]
        pipe = subprocess.PIPE
        worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._log, text=True, encoding="utf-8")
        with self._changed:
            self._workers.add(worker)
        return worker

    def _serve(self, worker: subprocess.Popen[str], task: Task, told: Tell) -> None:
        """Let `worker` play `task`; where it dies, say so."""
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            worker.stdin.write(json.dumps(task.plain()) + "\n")
            worker.stdin.flush()
            for line in worker.stdout:
                event = Event(**json.loads(line))
                told(event)
                if event.kind in {"finished", "failed"}:
                    return
        except BrokenPipeError:
            pass
        code = worker.wait()
        self._workers.discard(worker)
        if not self._over:
            cause = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            remedy = "if memory ran out, use fewer --jobs"
            told(
                Event(task.key, "failed", {"reason": f"the worker process died ({cause}, {self._log_path}); {remedy}"})
            )


class Waiting:
    """Tasks that have not been begun; none is given out while another one makes its benign twin."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = list(tasks)
        self._twins = {task.key: task.experiment.twin().identity() for task in tasks if task.experiment.needs_twin}
        self._made: set[str] = set()
        self._making: dict[str, str] = {}

    @property
    def empty(self) -> bool:
        """Whether all have been given out."""
        return not self._tasks

    def take(self) -> Task | None:
        """The first task that can be begun; ``None`` where there is none at the moment."""
        busy = set(self._making.values())
        for place, task in enumerate(self._tasks):
            twin = self._twins.get(task.key)
            if twin is None or twin in self._made or twin not in busy:
                if twin is not None and twin not in self._made:
                    self._making[task.key] = twin
                return self._tasks.pop(place)
        return None

    def note(self, event: Event) -> None:
        """Learn from an event which twins are made, and which are not being made any more."""
        over = event.kind in {"began", "finished", "failed"} and not event.content.get("twin")
        if over and (twin := self._making.pop(event.key, None)) is not None and event.kind != "failed":
            self._made.add(twin)
