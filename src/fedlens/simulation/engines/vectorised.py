"""An engine that trains clients in stacks, spread over another engine's workers."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil
from typing import Any, Self, TypeGuard

import torch
from torch import Tensor
from typing_extensions import override

from fedlens.models.stacking import MakeStack
from fedlens.simulation.engines.context import Job, WorkerContext
from fedlens.simulation.engines.engine import Engine
from fedlens.simulation.engines.jobs import HonestJob, MaliciousJob, StackedJob


class Vectorised(Engine):
    """An engine that groups clients that train alike into stacks.

    Args:
        inner: the engine whose workers train the stacks, and do all other jobs.
        stack: function that stacks copies of the network.
        largest: maximum number of clients in a stack.
    """

    def __init__(self, inner: Engine, stack: MakeStack, largest: int) -> None:
        self.workers = inner.workers
        self._inner = inner
        self._stack = stack
        self._largest = largest

    @override
    def allocate(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
        return self._inner.allocate(shape, dtype, device)

    @override
    def start(self, context: WorkerContext) -> None:
        self._inner.start(replace(context, stack=self._stack))

    @override
    def run(self, jobs: Sequence[Job], done: Callable[[Job], None]) -> list[dict[str, Any]]:

        def report(job: Job) -> None:
            for part in job.parts if isinstance(job, StackedJob) else (job,):
                done(part)

        stacks = self._stacks([job for job in jobs if _is_stacked(job)])
        work: list[Job] = [*(job for job in jobs if not _is_stacked(job)), *stacks]
        answers: dict[int, dict[str, Any]] = {}
        for job, answer in zip(work, self._inner.run(work, report), strict=True):
            if isinstance(job, StackedJob):
                answers |= {id(part): log for part, log in zip(job.parts, answer["parts"], strict=True)}
            else:
                answers[id(job)] = answer
        return [answers[id(job)] for job in jobs]

    def _stacks(self, alike: Sequence[HonestJob | MaliciousJob]) -> list[StackedJob]:
        """Group clients into stacks of similar cost, equally many for each worker."""
        if not alike:
            return []
        ordered = sorted(alike, key=lambda job: -job.cost)
        turns = ceil(len(ordered) / (self._largest * self.workers))
        count = min(turns * self.workers, len(ordered))
        return [StackedJob(tuple(ordered[first::count])) for first in range(count)]

    @override
    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """End the workers."""
        self._inner.__exit__(*error)


def _is_stacked(job: Job) -> TypeGuard[HonestJob | MaliciousJob]:
    """Tell whether a job is honest training, or such on poisoned samples."""
    return isinstance(job, HonestJob) or (isinstance(job, MaliciousJob) and job.stackable)
