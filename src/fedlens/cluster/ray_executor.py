"""An executor that spreads tasks over the machines of a Ray cluster.

Scheduling, moving data and repeating a lost machine's work are left to Ray: a task's run comes back whole, from
whichever machine, or not at all, and this process writes it where a local sweep would have. The functions that run
there are in `fedlens.cluster.remote_tasks`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from typing_extensions import override

from fedlens.cluster.event_queue import EventQueue
from fedlens.cluster.ray_engine import RETRIES
from fedlens.cluster.remote_tasks import SharedOptions, TaskResult, run_cell
from fedlens.cluster.shared_inputs import SharedInputs, plain
from fedlens.core.errors import ConfigError, RunError
from fedlens.core.files import writing
from fedlens.core.remote import Cluster
from fedlens.runs.folder import files_of, lay_out
from fedlens.simulation.callback import Event
from fedlens.sweeps.task_queue import TaskQueue
from fedlens.sweeps.tasks import Executor, Notify, Task, why

GLANCE = 0.5
"""Seconds between two looks into the queue of events."""

GRACE = 3
"""Seconds that a cell has to clean up when the sweep is interrupted."""


class RayExecutor(Executor):
    """An executor with the workers of a Ray cluster.

    Args:
        cluster: the cluster that this process is, and stays, connected to.
        jobs: number of tasks at once.
        log: file for what the workers print.
        retries: how often to repeat a task if its worker or machine is lost.
    """

    def __init__(self, cluster: Cluster, jobs: int, log: Path, retries: int = RETRIES) -> None:
        self._kind = cluster.kind
        self._jobs = jobs
        self._log = log
        self._retries = retries

    def __enter__(self) -> Self:
        """Open the queue of events."""
        self._events = EventQueue()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the queue of events."""
        self._events.close()

    @override
    def run(self, tasks: Sequence[Task], notify: Notify) -> None:
        """Run all tasks on the cluster; arguments as of `Executor.run`.

        Raises:
            ConfigError: a machine of another kind has joined the cluster.
        """
        import ray

        shared = SharedOptions(self._events.sender, self._kind)
        inputs, queue = SharedInputs(tasks, shared, self._retries), TaskQueue(tasks)
        at_work: dict[Any, Task] = {}

        def note(event: Event) -> None:
            queue.note(event)
            notify(event)

        try:
            while True:
                while len(at_work) < self._jobs and (task := queue.take()) is not None:
                    try:
                        at_work[self._send(task, inputs, shared)] = task
                    except (Exception, SystemExit) as error:  # raised by its data or by users' code
                        note(Event(task.key, "failed", {"reason": why(error)}))
                if not at_work:
                    return
                ready, _ = ray.wait(list(at_work), timeout=GLANCE)
                busy = {task.key for task in at_work.values()}
                for event in self._events.read():  # before the final events, and none of a task that has ended
                    if event.key in busy:
                        note(event)
                for reference in ready:
                    note(self._receive(reference, at_work.pop(reference), inputs))
        finally:
            if at_work:  # something went wrong
                _cancel([*at_work, *inputs.references()])

    def _send(self, task: Task, inputs: SharedInputs, shared: SharedOptions) -> Any:
        """Send a task to the cluster; return Ray's reference to its result."""
        import ray

        remote = ray.remote(num_cpus=1, max_retries=self._retries)(run_cell)
        begun = files_of(task.path) if (task.path / "experiment.yaml").exists() else {}
        return remote.remote(plain(task), begun, inputs.dataset(task), shared, *inputs.controls(task))

    def _receive(self, reference: Any, task: Task, inputs: SharedInputs) -> Event:
        """Write a task's result into its run directory; return its final event.

        Raises:
            ConfigError: the task got to a machine of another kind.
        """
        import ray

        printed = ""
        try:
            result: TaskResult = ray.get(reference)
            if result.foreign is not None:
                remedy = "take it out, and the same command goes on, or allow a mix by --mixed-cpus"
                raise ConfigError(f"a machine of another kind has joined the cluster: {dict(result.foreign)}; {remedy}")
            printed = result.printed if result.reason else inputs.cache_controls(task) + result.printed
        except ray.exceptions.RayError as error:
            lines = str(error).strip().splitlines()
            result = TaskResult(reason=f"could not be done by Ray: {type(error).__name__}: {lines[-1]}")
        inputs.release(task)
        reason = result.reason
        try:
            if result.files:
                lay_out(result.files, task.path)
                if not reason:
                    inputs.cache_twin(task)
            self._note(printed)
        except RunError as error:
            reason = reason or str(error)
        if reason == result.reason and result.remedies:
            return Event(task.key, "unjudged", {"reason": reason, "remedies": list(result.remedies)})
        if reason:
            return Event(task.key, "failed", {"reason": reason})
        return Event(task.key, "finished", {"value": result.value} if task.function else {})

    def _note(self, printed: str) -> None:
        """Append what the workers printed to the log."""
        if printed:
            with writing(self._log), self._log.open("a", encoding="utf-8") as file:
                file.write(printed)


def _cancel(references: Sequence[Any]) -> None:
    """Cancel these Ray tasks by an exception in each; one that goes on nevertheless ends with the connection.

    They are not cancelled by force, since Ray 2.60 may then end this process.
    """
    import ray

    for reference in references:
        ray.cancel(reference)
    ray.wait(list(references), num_returns=len(references), timeout=GRACE, fetch_local=False)
