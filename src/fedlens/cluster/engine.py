"""Jobs spread over the machines of a Ray cluster, as stateless tasks.

The data go into Ray's object store once for a run, and the weights once for each model; every machine fetches them
once, and its workers read them in place. Each task computes with one thread. So the bits are those of the serial
engine, where all machines are of one kind.

Scheduling, moving data and doing a lost machine's work again are Ray's: a task can be done anywhere, any number of
times, with the same result, and this process writes it into its own memory. Jobs that read the updates of a round (the
server's checks, validation, an omniscient attack) are done in this process, where these are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

import torch
from numpy.typing import NDArray
from torch import Tensor

from fedlens.cluster.kinds import kind
from fedlens.cluster.packed_data import seen
from fedlens.cluster.parcel import pack, unpack
from fedlens.core.errors import ClientError
from fedlens.core.remote import Cluster, Kind
from fedlens.simulation.engines.context import Job, WorkerContext
from fedlens.simulation.engines.memory import keep_memory
from fedlens.simulation.engines.outcome import Failure, attempt
from fedlens.simulation.engines.serial import Serial

RETRIES = 5
"""How often a job is done again whose worker or machine was lost; one that always takes its worker along must end."""


class RayEngine:
    """See the module.

    Args:
        cluster: what this process is connected to, and stays connected to while the engine works.
        retries: how often a job is done again whose worker or machine was lost.
    """

    def __init__(self, cluster: Cluster, retries: int = RETRIES) -> None:
        self.workers = cluster.cpus
        self._kind = cluster.kind
        self._retries = retries
        self._home = Serial()
        self._context: WorkerContext | None = None
        self._parcel: Any = None
        self._sent: dict[int, tuple[Tensor, Any]] = {}

    def allocate(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
        """See `Engine.allocate`."""
        return self._home.allocate(shape, dtype, device)

    def start(self, context: WorkerContext) -> None:
        """See `Engine.start`."""
        import ray

        self._home.start(context)
        self._context = context
        self._parcel = ray.put(pack(context))

    def run(self, jobs: Sequence[Job], done: Callable[[Job], None]) -> list[dict[str, Any]]:
        """See `Engine.run`."""
        import ray

        away = sorted((at for at, job in enumerate(jobs) if job.reads is not None), key=lambda at: -jobs[at].cost)
        task = ray.remote(num_cpus=1, max_retries=self._retries)(work)
        waiting = {task.remote(jobs[at], self._ticket(), self._model(jobs[at])): at for at in away}
        results: list[dict[str, Any]] = [{} for _ in jobs]
        try:
            for at, job in enumerate(jobs):
                if job.reads is None:
                    results[at] = self._home.run([job], done)[0]
            while waiting:
                [ready], _ = ray.wait(list(waiting), num_returns=1)
                at = waiting.pop(ready)
                results[at] = self._receive(ready, jobs[at])
                done(jobs[at])
        finally:
            for unfinished in waiting:  # none, unless something went wrong
                ray.cancel(unfinished)
        return results

    def _ticket(self) -> "Ticket":
        return Ticket(self._parcel, self._kind)

    def _model(self, job: Job) -> Any:
        """Ray's reference to the model that `job` reads; it is sent anew only where its weights have changed."""
        import ray

        assert self._context is not None, "the engine has not been started"
        assert job.reads is not None
        weights = self._context.shared.models[job.reads]
        if job.reads not in self._sent or not torch.equal(self._sent[job.reads][0], weights):
            self._sent[job.reads] = (weights.clone(), ray.put(weights.numpy()))
        return self._sent[job.reads][1]

    def _receive(self, reference: Any, job: Job) -> dict[str, Any]:
        """A job's numbers, with what it filled put into the shared tensors."""
        import ray

        assert self._context is not None
        try:
            outcome, filled = ray.get(reference)
        except ray.exceptions.RayError as error:
            lines = str(error).strip().splitlines()
            failed = ClientError(f"{job.name} could not be done by Ray: {type(error).__name__}: {lines[-1]}")
            failed.add_note(str(error))
            raise failed from None
        if isinstance(outcome, Failure):
            raise outcome.error()
        for part, found in zip(job.fills(self._context.shared), filled, strict=True):
            part.copy_(seen(found))
        assert isinstance(outcome, dict)
        return outcome

    def __enter__(self) -> Self:
        """See `Engine`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the cluster forget what it was sent."""
        self._parcel, self._sent = None, {}


@dataclass(frozen=True)
class Ticket:
    """What entitles a worker to its context.

    Attributes:
        parcel: Ray's reference to it; inside of an object, Ray leaves it to the worker when to fetch it.
        kind: of what kind the worker's machine has to be; ``None`` for any.
    """

    parcel: Any
    kind: Kind | None


def work(job: Job, ticket: Ticket, weights: NDArray[Any]) -> tuple[dict[str, Any] | Failure, list[NDArray[Any]]]:
    """A task: do `job` with a model's weights (shape ``[d]``); its numbers and what it filled."""
    if ticket.kind is not None and ticket.kind != (here := kind()):
        return Failure(f"{job.name}: a machine of another kind has joined the cluster: {dict(here)}", ""), []
    context = _context(ticket.parcel)
    assert job.reads is not None
    context.shared.models[job.reads] = seen(weights)
    outcome = attempt(job, context)
    return outcome, [] if isinstance(outcome, Failure) else [part.numpy() for part in job.fills(context.shared)]


@lru_cache(maxsize=1)
def _context(parcel: Any) -> WorkerContext:
    """This worker's context, built when its first job comes."""
    import ray

    torch.set_num_threads(1)
    keep_memory()
    return unpack(ray.get(parcel))
