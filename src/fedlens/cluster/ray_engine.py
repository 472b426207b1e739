"""An engine that spreads jobs over the machines of a Ray cluster, as stateless tasks.

The data go into Ray's object store once for a run, and the weights once for each model; every machine fetches them
once, and its workers read them in place. Each task computes with one thread. So the bits are those of the serial engine
if all machines are of one kind.

Scheduling, moving data and repeating a lost machine's work are left to Ray: a task can be done anywhere, any number of
times, with the same result, and this process writes that into its shared tensors. Jobs that read the updates of a round
(the server's checks, validation, an omniscient attack) are done in this process, which has them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from fedlens.cluster.kinds import kind
from fedlens.cluster.packed_context import pack, unpack
from fedlens.cluster.packed_data import as_tensor
from fedlens.core.errors import ClientError
from fedlens.core.remote import Cluster, Kind
from fedlens.simulation.engines.context import Job, WorkerContext
from fedlens.simulation.engines.engine import Engine
from fedlens.simulation.engines.memory import keep_memory
from fedlens.simulation.engines.outcome import Failure, attempt
from fedlens.simulation.engines.serial import Serial

RETRIES = 5
"""How often to repeat a job if its worker or machine is lost; a job that always kills its worker must end sometime."""


class RayEngine(Engine):
    """An engine that does jobs on a Ray cluster.

    Args:
        cluster: the cluster that this process is, and stays, connected to.
        retries: how often to repeat a job if its worker or machine is lost.
    """

    def __init__(self, cluster: Cluster, retries: int = RETRIES) -> None:
        self.workers = cluster.cpus
        self._kind = cluster.kind
        self._retries = retries
        self._serial = Serial()
        self._context: WorkerContext | None = None
        self._packed: Any = None
        self._models_sent: dict[int, tuple[Tensor, Any]] = {}

    @override
    def start(self, context: WorkerContext) -> None:
        import ray

        self._serial.start(context)
        self._context = context
        self._packed = ray.put(pack(context))

    @override
    def run(self, jobs: Sequence[Job], done: Callable[[Job], None]) -> list[dict[str, Any]]:
        import ray

        remote = [index for index, job in enumerate(jobs) if job.reads is not None]
        remote.sort(key=lambda index: -jobs[index].cost)
        task = ray.remote(num_cpus=1, max_retries=self._retries)(work)
        context = ContextReference(self._packed, self._kind)
        pending = {task.remote(jobs[index], context, self._model(jobs[index])): index for index in remote}
        results: list[dict[str, Any]] = [{} for _ in jobs]
        try:
            for index, job in enumerate(jobs):
                if job.reads is None:
                    results[index] = self._serial.run([job], done)[0]
            while pending:
                [ready], _ = ray.wait(list(pending), num_returns=1)
                index = pending.pop(ready)
                results[index] = self._receive(ready, jobs[index])
                done(jobs[index])
        finally:
            for unfinished in pending:  # none, unless something went wrong
                ray.cancel(unfinished)
        return results

    def _model(self, job: Job) -> Any:
        """Return Ray's reference to the model that `job` reads; send the model only if its weights have changed."""
        import ray

        assert self._context is not None, "the engine has not been started"
        assert job.reads is not None
        weights = self._context.shared.models[job.reads]
        if job.reads not in self._models_sent or not torch.equal(self._models_sent[job.reads][0], weights):
            self._models_sent[job.reads] = (weights.clone(), ray.put(weights.numpy()))
        return self._models_sent[job.reads][1]

    def _receive(self, reference: Any, job: Job) -> dict[str, Any]:
        """Return a job's numbers, and copy the tensors that it filled into the shared ones."""
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
        for tensor, values in zip(job.fills(self._context.shared), filled, strict=True):
            tensor.copy_(as_tensor(values))
        assert isinstance(outcome, dict)
        return outcome

    def __exit__(self, *_: object) -> None:
        """Let the cluster drop what it was sent."""
        self._packed, self._models_sent = None, {}


@dataclass(frozen=True)
class ContextReference:
    """Everything a remote worker needs to build its context.

    Attributes:
        packed: Ray's reference to a `PackedContext`; inside an object, Ray leaves it to the worker when to fetch it.
        kind: the kind that the worker's machine must be of; ``None`` for any.
    """

    packed: Any
    kind: Kind | None


def work(
    job: Job, reference: ContextReference, weights: NDArray[Any]
) -> tuple[dict[str, Any] | Failure, list[NDArray[Any]]]:
    """Do `job` with a model's weights (shape ``[d]``); return its numbers and the tensors that it filled."""
    if reference.kind is not None and reference.kind != (this_kind := kind()):
        return Failure(f"{job.name}: a machine of another kind has joined the cluster: {dict(this_kind)}", ""), []
    context = _context(reference.packed)
    assert job.reads is not None
    context.shared.models[job.reads] = as_tensor(weights)
    outcome = attempt(job, context)
    return outcome, [] if isinstance(outcome, Failure) else [tensor.numpy() for tensor in job.fills(context.shared)]


@lru_cache(maxsize=1)
def _context(packed: Any) -> WorkerContext:
    """Return this worker's context, which is built when its first job arrives."""
    import ray

    torch.set_num_threads(1)
    keep_memory()
    return unpack(ray.get(packed))
