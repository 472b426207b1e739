"""What an engine is, and which one a run gets."""

import os
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import torch
from torch import Tensor

from fedlens.errors import ConfigError
from fedlens.federation.bench import Bench, Job

EngineName = Literal["auto", "serial", "processes"]


class Engine(Protocol):
    """Does jobs, in any order and place; their results do not depend on either."""

    name: str
    workers: int

    def allocate(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
        """Memory that every job of this engine can see, to be asked for before `start`."""

    def start(self, bench: Bench) -> None:
        """Take up the bench at which jobs will be done."""

    def run(self, jobs: Sequence[Job], done: Callable[[], None]) -> list[dict[str, Any]]:
        """The jobs' results, in the order of `jobs`; calls `done` after each.

        Raises:
            ClientError: a job failed; the message names it.
        """

    def __enter__(self) -> Self:
        """The engine; leaving the block ends its workers."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers."""


def cores() -> int:
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_engine(name: EngineName, workers: int | None, device: torch.device, cohort: int) -> Engine:
    """The engine called `name`; ``auto`` takes processes where several can work at once on a CPU.

    Args:
        name: which engine.
        workers: number of worker processes; ``None`` for one a core, and no more than the cohort has clients.
        device: where tensors live.
        cohort: number of clients in a round.

    Raises:
        ConfigError: the engine cannot work here.
    """
    from fedlens.federation.engines.processes import Processes
    from fedlens.federation.engines.serial import Serial

    if workers is not None and workers < 1:
        raise ConfigError(f"--workers {workers}: at least one is needed")
    can_fork = sys.platform == "linux" and device.type == "cpu"
    count = workers if workers is not None else min(cores(), cohort)
    if name == "auto":
        name = "processes" if can_fork and count > 1 else "serial"
    if name == "serial":
        if workers is not None and workers > 1:
            raise ConfigError(f"engine serial has one worker, not {workers}; use --engine processes")
        return Serial()
    if not can_fork:
        raise ConfigError("engine processes works on Linux and on the CPU only; use --engine serial")
    return Processes(count)
