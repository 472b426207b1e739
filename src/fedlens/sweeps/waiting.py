"""The order of tasks: of those with the same control, one goes first and makes it.

A task has up to two, its benign twin and its placebo, and makes one after the other. It is begun when nobody else is
making either, and so never waits for one while it holds the other up. A run without attack leaves its twin once it is
complete.
"""

from collections.abc import Sequence

from fedlens.experiment.experiment import Experiment
from fedlens.simulation.leaving import leaves_twin
from fedlens.sweeps.tasks import Event, Task


class Waiting:
    """Tasks that have not been begun; none is given out while another one makes a control of its.

    Args:
        tasks: all tasks; the first are given out first.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = list(tasks)
        self._leaving = {task.key for task in tasks if leaves_twin(task.experiment)}
        self._controls = {
            task.key: {control.identity() for control in self._made_by(task.experiment)} for task in tasks
        }
        self._made: set[str] = set()
        self._making: dict[str, set[str]] = {}

    @staticmethod
    def _made_by(experiment: Experiment) -> list[Experiment]:
        """The controls that a run of it makes where they are missing."""
        return [*experiment.controls.values(), *([experiment.twin()] if leaves_twin(experiment) else [])]

    def take(self) -> Task | None:
        """The first task that can be begun; ``None`` where there is none at the moment."""
        busy = set().union(*self._making.values())
        for place, task in enumerate(self._tasks):
            missing = self._controls[task.key] - self._made
            if missing & busy:
                continue
            if missing:
                self._making[task.key] = missing
            return self._tasks.pop(place)
        return None

    def note(self, event: Event) -> None:
        """Learn from an event which controls are made, and which are not being made any more.

        Where a task failed before its own rounds began, the next one with its control goes on with that: it may be that
        a worker was killed, and if the control itself cannot be made, each of them is told so at the same round.
        """
        own = event.kind == "began" and not event.content["control"] and event.key not in self._leaving
        if own or event.last:
            made = self._making.pop(event.key, set())
            self._made |= made if event.kind != "failed" else set()
