"""The interface of engines."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from fedlens.simulation.engines.context import Job, WorkerContext


class Engine(Protocol):
    """Runs jobs in any order, in any process; results do not depend on either."""

    workers: int

    def allocate(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
        """Allocate zeros that every worker of this engine can see; call it before `start`."""
        return torch.zeros(shape, dtype=dtype, device=device)

    def start(self, context: WorkerContext) -> None:
        """Give every worker the context in which it will do jobs."""

    def run(self, jobs: Sequence[Job], done: Callable[[Job], None]) -> list[dict[str, Any]]:
        """Run jobs; return their results in the order of `jobs`, and call `done` with each finished job.

        Raises:
            ClientError: a job failed; the message names it.
        """

    def __enter__(self) -> Self:
        """Return the engine; leaving the block ends its workers."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers."""
