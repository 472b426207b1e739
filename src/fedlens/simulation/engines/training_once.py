"""An engine for rounds that are played several times from the same state: honest clients train in the first alone."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Self

import torch
from torch import Tensor
from typing_extensions import override

from fedlens.simulation.engines.context import Job, SharedTensors, WorkerContext
from fedlens.simulation.engines.engine import Engine
from fedlens.simulation.engines.jobs import HonestJob, RootJob

Key = tuple[int, int | None, float]
"""A round, a client (``None`` for the server on its root samples), and the part of its batches."""


class TrainingOnce(Engine):
    """An engine whose honest clients, and the server on its root samples, train once in some rounds.

    That is right only if every play of such a round begins with the same global weights. Who is malicious, what the
    server does and which of the clients are there may differ.

    Args:
        inner: does the work.
        rounds: the rounds of which honest updates are kept.
    """

    def __init__(self, inner: Engine, rounds: Collection[int]) -> None:
        self.workers = inner.workers
        self._inner = inner
        self._rounds = frozenset(rounds)
        self._kept: dict[Key, tuple[Tensor, dict[str, Any]]] = {}
        self._shared: SharedTensors | None = None

    @override
    def allocate(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
        return self._inner.allocate(shape, dtype, device)

    @override
    def start(self, context: WorkerContext) -> None:
        self._shared = context.shared
        self._inner.start(context)

    @override
    def run(self, jobs: Sequence[Job], done: Callable[[Job], None]) -> list[dict[str, Any]]:
        assert self._shared is not None, "the engine has not been started"
        keys = [self._key(job) for job in jobs]
        fresh = [job for job, key in zip(jobs, keys, strict=True) if key not in self._kept]
        answers = {id(job): answer for job, answer in zip(fresh, self._inner.run(fresh, done), strict=True)}
        results = []
        for job, key in zip(jobs, keys, strict=True):
            rows = job.fills(self._shared)
            if id(job) not in answers:
                assert key is not None
                update, answer = self._kept[key]
                for row in rows:
                    row.copy_(update)
                done(job)
            else:
                answer = answers[id(job)]
                if key is not None:
                    self._kept[key] = (rows[0].clone() if rows else torch.empty(0), answer)
            results.append(answer)
        return results

    def updates(self, round_: int) -> dict[int, Tensor]:
        """Copy the honest updates that are kept of a round, each ``[d]``, by client, as local training left them."""
        kept = ((key, update) for key, (update, _) in self._kept.items() if key[0] == round_)
        return {client: update.clone() for (_, client, _), update in kept if client is not None}

    def _key(self, job: Job) -> Key | None:
        """Return by what the job's result is kept; ``None`` of one that is done every time."""
        if isinstance(job, HonestJob) and job.round in self._rounds:
            return job.round, job.client, job.work
        if isinstance(job, RootJob) and job.round in self._rounds:
            return job.round, None, 1.0
        return None

    @override
    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """End the workers."""
        self._inner.__exit__(*error)
