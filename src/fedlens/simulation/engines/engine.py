"""What an engine is."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from fedlens.simulation.engines.context import Job, WorkerContext


class Engine(Protocol):
    """Does jobs, in any order and place; their results do not depend on either."""

    workers: int

    def allocate(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
        """Memory that every job of this engine can see, to be asked for before `start`."""

    def start(self, context: WorkerContext) -> None:
        """Give every worker the context in which it will do jobs."""

    def run(self, jobs: Sequence[Job], done: Callable[[Job], None]) -> list[dict[str, Any]]:
        """The jobs' results, in the order of `jobs`; calls `done` with each that is done.

        Raises:
            ClientError: a job failed; the message names it.
        """

    def __enter__(self) -> Self:
        """The engine; leaving the block ends its workers."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers."""
