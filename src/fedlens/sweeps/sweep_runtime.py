"""Where and how a sweep runs: on this machine or on a cluster, how many cells at once, and how each is run."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from fedlens.core.deadline import checked_timeout
from fedlens.core.engine_name import EngineName
from fedlens.core.errors import ConfigError
from fedlens.core.registry import of_session, warn_of_session
from fedlens.core.remote import remote
from fedlens.core.threads import cores
from fedlens.core.users_modules import modules_of
from fedlens.experiment.experiment import Experiment
from fedlens.sweeps.in_process import InProcessExecutor
from fedlens.sweeps.local_executor import LocalExecutor
from fedlens.sweeps.tasks import Executor

MakeExecutor = Callable[[int, Path], AbstractContextManager[Executor]]
"""Makes an executor, given the number of jobs and a file for what the workers print."""

On = Literal["local", "ray"]


@dataclass(frozen=True)
class SweepRuntime:
    """Where and how a sweep runs; none of it changes a result.

    Attributes:
        jobs: cells run at once; by default one a core, of this machine or of the cluster.
        engine: the engine of each run.
        device: where PyTorch computes.
        data_dir: where the user keeps data files.
        on: ``local`` for this machine, ``ray`` for a Ray cluster, where each cell takes one CPU.
        address: of that cluster, as in `fedlens.cluster.connection.connected`.
        mixed_cpus: whether its processors may differ.
        client_timeout: seconds that a client, a check, the rule or other custom code may take.
    """

    jobs: int | None = None
    engine: EngineName = "auto"
    device: str = "cpu"
    data_dir: Path | None = None
    on: On = "local"
    address: str | None = None
    mixed_cpus: bool = False
    client_timeout: float | None = None

    def require_possible(self) -> None:
        """Refuse options that contradict each other, or that this machine cannot fulfil.

        Raises:
            ConfigError: options contradict each other, or the device does not exist.
        """
        if self.jobs is not None and self.jobs < 1:
            raise ConfigError(f"--jobs {self.jobs}: at least one is needed; e.g. --jobs 1")
        checked_timeout(self.client_timeout)
        if self.on == "local":
            if self.device != "cpu":
                from fedlens.experiment.setting import find_device

                find_device(self.device)
            if self.address is not None or self.mixed_cpus:
                raise ConfigError("--address and --mixed-cpus are for --on ray; add it, or leave them out")
        elif self.on != "ray":
            raise ConfigError(f"on: {self.on!r} is neither local nor ray; e.g. --on local")
        elif self.engine in {"processes", "ray"}:
            raise ConfigError(f"--engine {self.engine}: with --on ray a run has one CPU; e.g. --engine auto")
        elif self.device != "cpu":
            raise ConfigError(f"--device {self.device}: --on ray works on the CPU only; leave --device out")

    def run_options(self, jobs: int) -> dict[str, Any]:
        """Return the keyword arguments of `fedlens.run` for each of `jobs` runs at once."""
        workers = None
        if self.engine != "serial" and self.device == "cpu":
            workers = 1 if self.on == "ray" else max(1, cores() // jobs)
        data_dir = self.data_dir.resolve() if self.data_dir is not None else None
        return {
            "engine": self.engine,
            "workers": workers,
            "device": self.device,
            "data_dir": data_dir,
            "client_timeout": self.client_timeout,
        }

    @contextmanager
    def executor_for(self, left: Sequence[Experiment]) -> Iterator[tuple[int, MakeExecutor]]:
        """Yield how many of these experiments can run at once, and what makes an executor for them.

        Raises:
            ConfigError: the cluster cannot be reached.
        """
        components = [component for experiment in left for component in experiment.components()]
        if (names := of_session(components)) and self.on == "local":
            warn_of_session(components)
            yield 1, InProcessExecutor
            return
        if self.on == "local" or not left:
            yield cores() if self.jobs is None else self.jobs, LocalExecutor
            return
        if names:
            raise ConfigError(f"--on ray: no machine could import {', '.join(names)}; define such classes in a file")
        modules = modules_of((component for _, component in components), script=True)
        with remote("connected")(self.address, modules=modules, mixed=self.mixed_cpus) as cluster:
            yield cluster.cpus if self.jobs is None else self.jobs, partial(remote("RayExecutor"), cluster)
