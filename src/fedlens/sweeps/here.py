"""Tasks played in this process, one after another: of classes that no other process could import, as a notebook's."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from fedlens.sweeps.tasks import Task, Tell, perform


class Here:
    """The workforce that is this process; arguments as of `fedlens.sweeps.local.Local`, and of no use."""

    def __init__(self, jobs: int, log: Path) -> None:
        pass

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""

    def play(self, tasks: Sequence[Task], tell: Tell) -> None:
        """See `Workforce.play`."""
        for task in tasks:
            perform(task.plain(), tell)
