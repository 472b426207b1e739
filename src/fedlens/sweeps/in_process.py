"""An executor that runs tasks in this process, one after another.

It is for classes that no other process could import, such as those of a notebook.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from typing_extensions import override

from fedlens.sweeps.tasks import Executor, Notify, Task, perform


class InProcessExecutor(Executor):
    """Runs tasks in this process; takes the arguments of `LocalExecutor` and ignores them."""

    def __init__(self, jobs: int, log: Path) -> None:
        pass

    def __enter__(self) -> Self:
        """Return the executor; there is nothing to begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing; there is nothing to end."""

    @override
    def run(self, tasks: Sequence[Task], notify: Notify) -> None:
        from fedlens.data.loading import keeping_data

        with keeping_data():
            for task in tasks:
                perform(task.plain(), notify)
