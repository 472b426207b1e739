"""The script's side of `stepping`: it waits to be asked for a round, and answers with the accuracy."""

import os
import sys
from collections.abc import Callable


def answers() -> tuple[Callable[[], bool], Callable[[float], None]]:
    """What waits to be asked (false: no more rounds), and what answers.

    From here on, whatever else writes to standard output writes to standard error instead.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)

    def asked() -> bool:
        return sys.stdin.readline() == "play\n"

    def answer(accuracy: float) -> None:
        out.write(f"{accuracy}\n")

    return asked, answer
