"""Tasks spread over the machines of a Ray cluster.

Scheduling, moving data and doing a lost machine's work again are Ray's: a task's run comes back whole, from whichever
machine, or not at all, and this process puts it where a local sweep would have. See `fedlens.cluster.tasks` for what
is done there.
"""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fedlens.cluster.cargo import Cargo, plain
from fedlens.cluster.engine import RETRIES
from fedlens.cluster.mailbox import Mailbox
from fedlens.cluster.tasks import Made, Terms, play_cell
from fedlens.core.errors import ConfigError, RunError
from fedlens.core.files import writing
from fedlens.core.remote import Cluster
from fedlens.runs.folder import files_of, lay_out
from fedlens.sweeps.task_queue import TaskQueue
from fedlens.sweeps.tasks import Event, Notify, Task, why

GLANCE = 0.5
"""Seconds after which the mailbox is looked into."""

GRACE = 3
"""Seconds that a cell has to clear up where the sweep is interrupted."""


class RayExecutor:
    """The workforce of a cluster.

    Args:
        cluster: what this process is connected to, and stays connected to while the workforce works.
        jobs: cells at a time.
        log: a file for what the workers print.
        retries: how often a cell is played again whose worker or machine was lost.
    """

    def __init__(self, cluster: Cluster, jobs: int, log: Path, retries: int = RETRIES) -> None:
        self._kind = cluster.kind
        self._jobs = jobs
        self._log = log
        self._retries = retries

    def __enter__(self) -> Self:
        """Have a mailbox."""
        self._mailbox = Mailbox()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the mailbox."""
        self._mailbox.close()

    def run(self, tasks: Sequence[Task], notify: Notify) -> None:
        """See `Executor.run`; of tasks with the same control, the others follow when the first has it.

        Raises:
            ConfigError: a machine of another kind has joined the cluster.
        """
        import ray

        terms = Terms(self._mailbox.post, self._kind)
        cargo, waiting = Cargo(tasks, terms, self._retries), TaskQueue(tasks)
        at_work: dict[Any, Task] = {}

        def note(event: Event) -> None:
            waiting.note(event)
            notify(event)

        try:
            while True:
                while len(at_work) < self._jobs and (task := waiting.take()) is not None:
                    try:
                        at_work[self._send(task, cargo, terms)] = task
                    except (Exception, SystemExit) as error:  # of its data, or of a user's own class
                        note(Event(task.key, "failed", {"reason": why(error)}))
                if not at_work:
                    return
                ready, _ = ray.wait(list(at_work), timeout=GLANCE)
                busy = {task.key for task in at_work.values()}
                for event in self._mailbox.read():  # before they end, and nothing of those that have ended
                    if event.key in busy:
                        note(event)
                for reference in ready:
                    note(self._receive(reference, at_work.pop(reference), cargo))
        finally:
            if at_work:  # something went wrong
                _cancel([*at_work, *cargo.references()])

    def _send(self, task: Task, cargo: Cargo, terms: Terms) -> Any:
        """Ray's reference to what will come of the task."""
        import ray

        remote = ray.remote(num_cpus=1, max_retries=self._retries)(play_cell)
        begun = files_of(task.path) if (task.path / "experiment.yaml").exists() else {}
        return remote.remote(plain(task), begun, cargo.dataset(task), terms, *cargo.controls(task))

    def _receive(self, reference: Any, task: Task, cargo: Cargo) -> Event:
        """How a task has ended, with what came of it put into its place.

        Raises:
            ConfigError: it got to a machine of another kind.
        """
        import ray

        printed = ""
        try:
            made: Made = ray.get(reference)
            if made.foreign is not None:
                remedy = "take it out, and the same command goes on, or allow a mix by --mixed-cpus"
                raise ConfigError(f"a machine of another kind has joined the cluster: {dict(made.foreign)}; {remedy}")
            printed = made.printed if made.reason else cargo.keep(task) + made.printed
        except ray.exceptions.RayError as error:
            lines = str(error).strip().splitlines()
            made = Made(reason=f"could not be done by Ray: {type(error).__name__}: {lines[-1]}")
        cargo.forget(task)
        reason = made.reason
        try:
            if made.files:
                lay_out(made.files, task.path)
                if not reason:
                    cargo.leave(task)
            self._note(printed)
        except RunError as error:
            reason = reason or str(error)
        if reason == made.reason and made.remedies:
            return Event(task.key, "unjudged", {"reason": reason, "remedies": list(made.remedies)})
        return Event(task.key, "failed", {"reason": reason}) if reason else Event(task.key, "finished")

    def _note(self, printed: str) -> None:
        """Add to the log what the workers printed."""
        if printed:
            with writing(self._log), self._log.open("a", encoding="utf-8") as file:
                file.write(printed)


def _cancel(references: Sequence[Any]) -> None:
    """End these tasks, by an exception within each; one that goes on all the same ends with the connection.

    To force what has just been asked, Ray 2.60 may answer by ending this process.
    """
    import ray

    for reference in references:
        ray.cancel(reference)
    ray.wait(list(references), num_returns=len(references), timeout=GRACE, fetch_local=False)
