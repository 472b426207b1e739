"""By what means a sweep is played: here or on a cluster, how many cells at a time, and how each is run."""

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
from fedlens.experiment.setting import find_device
from fedlens.sweeps.here import Here
from fedlens.sweeps.local import Local
from fedlens.sweeps.tasks import Workforce

Hire = Callable[[int, Path], AbstractContextManager[Workforce]]
"""Hires a workforce of so many workers, with a file for what they print."""

On = Literal["local", "ray"]


@dataclass(frozen=True)
class SweepMeans:
    """By what means a sweep is played; none of it changes a result.

    Attributes:
        jobs: cells played at a time; by default one a core, of this machine or of the cluster.
        engine: who does the work of a run.
        device: where PyTorch computes.
        data_dir: where the user keeps data files.
        on: ``local`` for this machine, ``ray`` for a Ray cluster, of which each cell takes a CPU.
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
        """Refuse means that contradict each other, or that this machine does not have.

        Raises:
            ConfigError: they do, or the device does not exist.
        """
        if self.jobs is not None and self.jobs < 1:
            raise ConfigError(f"--jobs {self.jobs}: at least one is needed; e.g. --jobs 1")
        checked_timeout(self.client_timeout)
        if self.on == "local":
            find_device(self.device)
            if self.address is not None or self.mixed_cpus:
                raise ConfigError("--address and --mixed-cpus are for --on ray; add it, or leave them out")
        elif self.on != "ray":
            raise ConfigError(f"on: {self.on!r} is neither local nor ray; e.g. --on local")
        elif self.engine in {"processes", "ray"}:
            raise ConfigError(f"--engine {self.engine}: with --on ray a run has one CPU; e.g. --engine auto")
        elif self.device != "cpu":
            raise ConfigError(f"--device {self.device}: --on ray works on the CPU only; leave --device out")

    def of_a_run(self, jobs: int) -> dict[str, Any]:
        """The keyword arguments of `fedlens.run` where so many runs go on at a time."""
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
    def crew(self, left: Sequence[Experiment]) -> Iterator[tuple[int, Hire]]:
        """How many of these experiments can be played at a time, and what hires those who do.

        Raises:
            ConfigError: the cluster cannot be had.
        """
        parts = [found for experiment in left for found in experiment.parts()]
        if (names := of_session(parts)) and self.on == "local":
            warn_of_session(parts)
            yield 1, Here
            return
        if self.on == "local" or not left:
            yield cores() if self.jobs is None else self.jobs, Local
            return
        if names:
            raise ConfigError(f"--on ray: no machine could import {', '.join(names)}; define such classes in a file")
        modules = modules_of((part for _, part in parts), script=True)
        with remote("connected")(self.address, modules=modules, mixed=self.mixed_cpus) as cluster:
            yield cluster.cpus if self.jobs is None else self.jobs, partial(remote("RayExecutor"), cluster)
