"""A worker process of a sweep: tasks come in as lines of JSON, events go out as lines of JSON.

It lives as long as somebody is there to send it tasks, so that PyTorch is imported once for many cells. It is a process
of its own, and not a fork, so that whatever becomes of a cell does not touch the others. When the other end of its
input closes, it ends at once, in the middle of a round if need be: a run's directory can always be gone on with.
"""

import json
import os
import signal
import sys
from dataclasses import asdict
from queue import SimpleQueue
from threading import Thread
from typing import Any, NoReturn

from fedlens.core.staying import leave


def main() -> None:
    """Work until nobody sends or listens any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interruption means
    received, answered = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device
        os.dup2(nothing.fileno(), 0)  # a user's own code that reads must not get a task,
    os.dup2(2, 1)  # and what it prints must not get among the answers
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    tasks: SimpleQueue[dict[str, Any]] = SimpleQueue()
    Thread(target=_receive, args=(received, tasks), daemon=True).start()
    from fedlens.sweeps.tasks import Event, perform  # takes seconds, in which the other end may be closed

    def tell(event: Event) -> None:
        try:
            os.write(answered, json.dumps(asdict(event)).encode() + b"\n")
        except BrokenPipeError:
            _end()

    while True:
        perform(tasks.get(), tell)


def _receive(source: int, tasks: "SimpleQueue[dict[str, Any]]") -> NoReturn:
    """Take in tasks until the other end is closed, be it that there are no more or that the parent was killed."""
    with os.fdopen(source, "rb") as lines:
        for line in lines:
            tasks.put(json.loads(line))
    _end()


def _end() -> NoReturn:
    """End this process, and those that a run has forked from it, which are in its group."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    leave(1)


if __name__ == "__main__":
    main()
