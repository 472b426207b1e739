"""The order of tasks: of those with the same benign twin, one goes first and makes it.

A run without attack leaves its twin once it is complete; any other one makes its twin before its own rounds.
"""

from collections.abc import Sequence

from fedlens.runs.twin import leaves_twin
from fedlens.sweeps.tasks import Event, Task


class Waiting:
    """Tasks that have not been begun; none is given out while another one makes its benign twin.

    Args:
        tasks: all tasks; the first are given out first.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = list(tasks)
        self._leaving = {task.key for task in tasks if leaves_twin(task.experiment)}
        self._twins = {
            task.key: task.experiment.twin().identity()
            for task in tasks
            if task.key in self._leaving or task.experiment.needs_twin
        }
        self._made: set[str] = set()
        self._making: dict[str, str] = {}

    def take(self) -> Task | None:
        """The first task that can be begun; ``None`` where there is none at the moment."""
        busy = set(self._making.values())
        for place, task in enumerate(self._tasks):
            twin = self._twins.get(task.key)
            if twin in busy:
                continue
            if twin is not None and twin not in self._made:
                self._making[task.key] = twin
            return self._tasks.pop(place)
        return None

    def note(self, event: Event) -> None:
        """Learn from an event which twins are made, and which are not being made any more.

        Where a task failed before its own rounds began, the next one with its twin goes on with that: it may be that a
        worker was killed, and if the twin itself cannot be made, each of them is told so at the same round.
        """
        own = event.kind == "began" and not event.content["twin"] and event.key not in self._leaving
        if (own or event.last) and (twin := self._making.pop(event.key, None)) is not None and event.kind != "failed":
            self._made.add(twin)
