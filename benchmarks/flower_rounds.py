"""Plays Flower's rounds one at a time: see `stepping`."""

import contextlib
import sys
from pathlib import Path

from flower import simulate
from stepwise import answers
from task import Task


class StoppedError(Exception):
    """No more rounds are wanted."""


def main() -> None:
    """Play as many rounds as are asked for."""
    asked, answer = answers()
    path = Path(sys.argv[1])
    task = Task.load(path)

    def after(round_: int, accuracy: float | None) -> None:
        if accuracy is not None:
            answer(accuracy)
        if not asked() and round_ < task.rounds:
            raise StoppedError

    with contextlib.suppress(StoppedError):
        simulate(task, path, after)


if __name__ == "__main__":
    main()
