"""One job after another in this process: the engine that all others must equal."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from fedlens.simulation.engines.context import Job, WorkerContext, perform


class Serial:
    """See the module."""

    workers = 1

    def __init__(self) -> None:
        self._context: WorkerContext | None = None

    def allocate(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
        """See `Engine.allocate`."""
        return torch.zeros(shape, dtype=dtype, device=device)

    def start(self, context: WorkerContext) -> None:
        """See `Engine.start`."""
        self._context = context

    def run(self, jobs: Sequence[Job], done: Callable[[Job], None]) -> list[dict[str, Any]]:
        """See `Engine.run`."""
        assert self._context is not None, "the engine has not been started"
        results = []
        for job in jobs:
            results.append(perform(job, self._context))
            done(job)
        return results

    def __enter__(self) -> Self:
        """See `Engine`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""
