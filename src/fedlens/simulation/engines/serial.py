"""The reference engine: one job after another in this process."""

from collections.abc import Callable, Sequence
from typing import Any

from typing_extensions import override

from fedlens.simulation.engines.context import Job, WorkerContext, perform
from fedlens.simulation.engines.engine import Engine


class Serial(Engine):
    """An engine that runs jobs in this process, one after another."""

    workers = 1

    def __init__(self) -> None:
        self._context: WorkerContext | None = None

    @override
    def start(self, context: WorkerContext) -> None:
        self._context = context

    @override
    def run(self, jobs: Sequence[Job], done: Callable[[Job], None]) -> list[dict[str, Any]]:
        assert self._context is not None, "the engine has not been started"
        results = []
        for job in jobs:
            results.append(perform(job, self._context))
            done(job)
        return results

    def __exit__(self, *_: object) -> None:
        """Do nothing: there are no workers."""
