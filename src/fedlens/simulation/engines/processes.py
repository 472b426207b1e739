"""An engine of worker processes, which live as long as the run.

Workers are forked, so they share data, code and everything the caller defined, at no cost in memory or start-up.
The shared tensors lie in anonymous memory; only jobs and their numbers go through pipes. Each worker computes with one
thread, which trains faster than one process with many, and gives the same bits however many workers there are.
"""

import contextlib
import gc
import math
import mmap
import multiprocessing
import pickle
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor
from typing_extensions import override

from fedlens.core.errors import ClientError
from fedlens.simulation.engines.context import Job, WorkerContext
from fedlens.simulation.engines.engine import Engine
from fedlens.simulation.engines.memory import keep_memory
from fedlens.simulation.engines.outcome import Failure, attempt

GRACE = 10.0
"""Seconds that a worker has to end by itself before it is killed."""

_LIVING: "WeakSet[Processes]" = WeakSet()
"""All engines of this process: a forked worker must close the pipe ends that it inherits from them."""


class Processes(Engine):
    """An engine that runs jobs in forked processes."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._connections: list[Connection] = []
        self._processes: list[ForkProcess] = []
        _LIVING.add(self)

    @override
    def allocate(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
        assert device.type == "cpu"
        memory = mmap.mmap(-1, max(1, math.prod(shape) * dtype.itemsize))
        return torch.frombuffer(memory, dtype=dtype, count=math.prod(shape)).view(shape)

    @override
    def start(self, context: WorkerContext) -> None:
        fork = multiprocessing.get_context("fork")
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # or every worker would write the buffered text again
        gc.freeze()  # keeps the collector from touching, and so copying, pages that workers share
        for _ in range(self.workers):
            ours, theirs = fork.Pipe()
            self._connections.append(ours)
            process = fork.Process(target=_serve, args=(theirs, context), daemon=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads; ours hold no lock
                process.start()
            theirs.close()
            self._processes.append(process)
        gc.unfreeze()

    @override
    def run(self, jobs: Sequence[Job], done: Callable[[Job], None]) -> list[dict[str, Any]]:
        waiting = sorted(range(len(jobs)), key=lambda index: jobs[index].cost)
        idle = list(range(self.workers))
        busy: dict[Connection, tuple[int, int]] = {}
        results: list[dict[str, Any]] = [{} for _ in jobs]
        while waiting or busy:
            while waiting and idle:
                worker, index = idle.pop(0), waiting.pop()
                with contextlib.suppress(BrokenPipeError):  # a dead worker is noticed below
                    self._connections[worker].send_bytes(pickle.dumps(jobs[index]))
                busy[self._connections[worker]] = worker, index
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                worker, index = busy.pop(ready)
                results[index] = self._receive(worker, jobs[index])
                idle.append(worker)
                done(jobs[index])
        return results

    def _receive(self, worker: int, job: Job) -> dict[str, Any]:
        try:
            outcome = pickle.loads(self._connections[worker].recv_bytes())
        except (EOFError, ConnectionResetError):
            process = self._processes[worker]
            process.join(timeout=GRACE)
            code = process.exitcode
            cause = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
            raise ClientError(
                f"the worker process died ({cause}) at {job.name}; if memory ran out, "
                "use fewer workers (of a sweep: --jobs)"
            ) from None
        if isinstance(outcome, Failure):
            raise outcome.error()
        assert isinstance(outcome, dict)
        return outcome

    def __exit__(self, *error: object) -> None:
        """End the workers; after an error, in the middle of a job."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            if any(error):
                process.terminate()
            process.join(timeout=GRACE)
            if process.is_alive():
                process.kill()
                process.join()
        self._connections, self._processes = [], []


def _serve(connection: Connection, context: WorkerContext) -> None:
    """Run jobs from the pipe and send back their outcomes, until the other end closes."""
    for engine in _LIVING:
        for inherited in engine._connections:
            inherited.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interruption means
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for name in ("stdout", "stderr"):  # rich would redraw an old progress bar around a worker's output
        stream = getattr(sys, name)
        setattr(sys, name, getattr(stream, "rich_proxied_file", stream))
    torch.set_num_threads(1)
    keep_memory()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            job: Job = pickle.loads(connection.recv_bytes())
            connection.send_bytes(pickle.dumps(attempt(job, context)))
