"""A worker process of a sweep: tasks come in as lines of JSON, events go out as lines of JSON.

It lives as long as the sweep, so that PyTorch is imported once for many cells. It is a process of its own, and not a
fork, so that whatever becomes of a cell does not touch the others.
"""

import json
import os
import signal
import sys
from dataclasses import asdict

from fedlens.sweeps.tasks import Event, Task, perform


def main() -> None:
    """Work until nobody sends or listens any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interruption means
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever code of the user's prints must not get among the answers

    def tell(event: Event) -> None:
        print(json.dumps(asdict(event)), file=answers, flush=True)

    try:
        for line in sys.stdin:
            values = json.loads(line)
            try:
                task = Task.from_plain(values)
            except Exception as error:
                tell(Event(values["key"], "failed", {"reason": f"{type(error).__name__}: {error}"}))
            else:
                perform(task, tell)
    except BrokenPipeError:
        os._exit(1)


if __name__ == "__main__":
    main()
