"""A worker process of a sweep: tasks come in as lines of JSON, events go out as lines of JSON.

It lives as long as its parent may send it tasks, so that PyTorch is imported, and the data are loaded, once for many
cells. It is started afresh instead of forked, so that a crash in one cell does not touch the others. When the other end
of its input closes, it ends at once, in the middle of a round if need be: a run can always be resumed.
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
    """Run tasks until the parent neither sends nor listens any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interruption means
    task_pipe, event_pipe = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device
        os.dup2(nothing.fileno(), 0)  # users' code that reads standard input must not get a task,
    os.dup2(2, 1)  # and what it prints must not get among the events
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    tasks: SimpleQueue[dict[str, Any]] = SimpleQueue()
    Thread(target=_receive, args=(task_pipe, tasks), daemon=True).start()
    from fedlens.data.loading import keeping_data
    from fedlens.simulation.callback import Event
    from fedlens.sweeps.tasks import perform  # takes seconds, in which the other end may be closed

    def notify(event: Event) -> None:
        try:
            os.write(event_pipe, json.dumps(asdict(event)).encode() + b"\n")
        except BrokenPipeError:
            _end()

    with keeping_data():
        while True:
            perform(tasks.get(), notify)


def _receive(source: int, tasks: "SimpleQueue[dict[str, Any]]") -> NoReturn:
    """Put tasks into the queue until the other end closes, as there are no more or the parent was killed."""
    with os.fdopen(source, "rb") as lines:
        for line in lines:
            tasks.put(json.loads(line))
    _end()


def _end() -> NoReturn:
    """End this process and its process group, which includes all that a run has forked."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    leave(1)


if __name__ == "__main__":
    main()
