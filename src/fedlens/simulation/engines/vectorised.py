"""Honest clients trained side by side, in stacks that are spread over another engine's workers."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from fedlens.models.stacking import MakeStack
from fedlens.simulation.engines.context import Job, WorkerContext
from fedlens.simulation.engines.engine import Engine
from fedlens.simulation.engines.jobs import HonestJob, StackedJob


class Vectorised:
    """See the module.

    Args:
        hands: the engine whose workers train the stacks, and do all other jobs.
        stack: stacks copies of the network.
        largest: how many clients a stack has at most.
    """

    def __init__(self, hands: Engine, stack: MakeStack, largest: int) -> None:
        self.workers = hands.workers
        self._hands = hands
        self._stack = stack
        self._largest = largest

    def allocate(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
        """See `Engine.allocate`."""
        return self._hands.allocate(shape, dtype, device)

    def start(self, context: WorkerContext) -> None:
        """See `Engine.start`."""
        self._hands.start(replace(context, stack=self._stack))

    def run(self, jobs: Sequence[Job], done: Callable[[Job], None]) -> list[dict[str, Any]]:
        """See `Engine.run`."""

        def tell(job: Job) -> None:
            for part in job.parts if isinstance(job, StackedJob) else (job,):
                done(part)

        others = [job for job in jobs if not isinstance(job, HonestJob)]
        stacks = self._stacks([job for job in jobs if isinstance(job, HonestJob)])
        answers = iter(self._hands.run([*others, *stacks], tell))
        return [{} if isinstance(job, HonestJob) else next(answers) for job in jobs]

    def _stacks(self, honest: Sequence[HonestJob]) -> list[StackedJob]:
        """Stacks of about the same cost, equally many for each worker."""
        if not honest:
            return []
        ordered = sorted(honest, key=lambda job: -job.cost)
        turns = ceil(len(ordered) / (self._largest * self.workers))
        count = min(turns * self.workers, len(ordered))
        return [StackedJob(tuple(ordered[place::count])) for place in range(count)]

    def __enter__(self) -> Self:
        """See `Engine`."""
        self._hands.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers."""
        self._hands.__exit__(kind, error, trace)
