"""The order of tasks: of those with the same control, one goes first and makes it.

A task has up to two controls, its benign twin and its placebo, and makes one after the other. It begins when no other
task is making either, so that it never waits for one while it holds up the other. A run without attack leaves its twin
in the cache once it is complete.
"""

from collections.abc import Sequence

from fedlens.experiment.experiment import Experiment
from fedlens.simulation.callback import Event
from fedlens.sweeps.tasks import Task


class TaskQueue:
    """Tasks that have not begun; none is handed out while another one is making a control that it needs.

    Args:
        tasks: all tasks; the first are handed out first.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = list(tasks)
        self._leaves_twin = {task.key for task in tasks if task.leaves_twin}
        self._controls = {task.key: {control.identity() for control in self._controls_made_by(task)} for task in tasks}
        self._made: set[str] = set()
        self._making: dict[str, set[str]] = {}

    @staticmethod
    def _controls_made_by(task: Task) -> list[Experiment]:
        """Return the controls that a task makes if they are missing."""
        return [*task.controls.values(), *([task.experiment.twin()] if task.leaves_twin else [])]

    def take(self) -> Task | None:
        """Remove and return the first task that can begin; ``None`` if there is none at the moment."""
        busy = set().union(*self._making.values())
        for position, task in enumerate(self._tasks):
            missing = self._controls[task.key] - self._made
            if missing & busy:
                continue
            if missing:
                self._making[task.key] = missing
            return self._tasks.pop(position)
        return None

    def note(self, event: Event) -> None:
        """Update, by an event, which controls are complete and which are being made.

        If a task failed before its own rounds began, the next one that needs its control goes on with that: perhaps a
        worker was killed; and if the control cannot be made at all, each of them fails at the same round.
        """
        begins_own_rounds = (
            event.kind == "began" and not event.content["control"] and event.key not in self._leaves_twin
        )
        if begins_own_rounds or event.last:
            made = self._making.pop(event.key, set())
            self._made |= made if event.kind != "failed" else set()
