"""The workers of an audit's forked rounds: those of a sweep, here or on a Ray cluster, each of one thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from fedlens.core.errors import RunError
from fedlens.simulation.callback import Event
from fedlens.studies.audit import forked_tasks
from fedlens.studies.audit.subject import Subject
from fedlens.sweeps.sweep_runtime import SweepRuntime
from fedlens.sweeps.tasks import Executor, Task

Call = tuple[int, Mapping[str, Any]]
"""The number of a seed of the search, and what a function of `forked_tasks` is given besides."""


class Workers:
    """Workers that attack forked rounds; a context. They are started when there is something to do.

    Args:
        subject: the experiment.
        folder: the audit's directory, in which what they print is kept.
        runtime: how many, where, and by which engine.
        memory: for how many rounds attackers remember, the most of all arms.

    Attributes:
        jobs: how many there are; 1 before the first has begun.
    """

    def __init__(self, subject: Subject, folder: Path, runtime: SweepRuntime, *, memory: int) -> None:
        self.subject = subject
        self._folder, self._runtime, self._memory = folder.resolve(), runtime, memory
        self._stack = ExitStack()
        self._executor: Executor | None = None
        self.jobs = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """End them all."""
        self._executor = None
        self._stack.close()
        forked_tasks.HELD.release()  # where there are no other processes

    def ask(self, function: str, calls: Mapping[str, Call], told: Callable[[str, Event], None]) -> None:
        """Call a function of `forked_tasks` for each of these, as many at once as there are workers.

        Args:
            function: its name.
            calls: with what it is called, by what the call is called; the first are begun first.
            told: is called with that and the last event of each: ``finished``, with the ``value``, or else why not.
        """
        if not calls:
            return
        # a worker computes with one thread whatever their number is, so that this cannot matter
        options = self._runtime.run_options(1) | {"workers": None if self._runtime.engine == "serial" else 1}
        tasks = [
            Task(
                key,
                self.subject.forked(number),
                self._folder / "forks",
                options,
                f"{forked_tasks.__name__}:{function}",
                {"memory": self._memory, **given},
            )
            for key, (number, given) in calls.items()
        ]
        self._begun().run(tasks, lambda event: told(event.key, event) if event.last else None)

    def answer(self, function: str, number: int, given: Mapping[str, Any] | None = None) -> Any:
        """Call a function once, and return its value.

        Raises:
            RunError: it failed.
        """
        events: list[Event] = []
        self.ask(function, {function: (number, given or {})}, lambda _, event: events.append(event))
        [event] = events
        if event.kind != "finished":
            raise RunError(event.content["reason"])
        return event.content["value"]

    def _begun(self) -> Executor:
        if self._executor is None:
            self.jobs, make = self._stack.enter_context(self._runtime.executor_for([self.subject.experiment]))
            self._executor = self._stack.enter_context(make(self.jobs, self._folder / "workers.log"))
        return self._executor
