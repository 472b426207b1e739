"""The runtime of an experiment: engine, device, data, cluster."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from fedlens.core.deadline import checked_timeout
from fedlens.core.engine_name import EngineName
from fedlens.core.errors import ConfigError
from fedlens.core.remote import Cluster, remote
from fedlens.core.users_modules import modules_of
from fedlens.data.dataset import Dataset
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import Setting, prepare
from fedlens.runs.data_directory import remembered
from fedlens.runs.ownership import is_ours
from fedlens.runs.reading import read_starts
from fedlens.runs.start import read_start


@dataclass(frozen=True)
class Runtime:
    """Engine, device and data of a run; none changes the result, except rounding on another device or ``vectorised``.

    Attributes:
        engine: ``serial``, ``processes``, ``vectorised``, ``ray``, or ``auto``, which takes the one of the first three
            that is likely to be the fastest.
        workers: number of worker processes; one per core by default.
        device: where PyTorch computes; the CPU by default.
        data_dir: where the user keeps data files.
        address: address of the Ray cluster, as in `fedlens.cluster.connection.connected`.
        mixed_cpus: whether the processors of that cluster may differ.
        client_timeout: seconds that a client, a check, the rule or other custom code may take
            (`fedlens.core.deadline`).
        dataset: the experiment's data, if already in memory.
    """

    engine: EngineName = "auto"
    workers: int | None = None
    device: str | None = None
    data_dir: Path | None = None
    address: str | None = None
    mixed_cpus: bool = False
    client_timeout: float | None = None
    dataset: Dataset | None = None

    def as_begun(self, path: Path) -> "Runtime":
        """Return the runtime that resumes the run in the directory `path`: the run's own where this one leaves it open.

        Its data directory is taken only if the user has begun the run.

        Raises:
            DamagedRunError: the run's notes of how it was begun are damaged.
        """
        if (start := read_start(path)) is None:  # begun by a version that did not write the file
            starts = read_starts(path) if self.engine == "auto" else []
            engines = [name for name in get_args(EngineName) if starts and starts[-1].engine == name]
            return replace(self, engine=engines[0]) if engines else self
        directory = self.data_dir or (remembered(path) if is_ours(path / "experiment.yaml") else None)
        begun = replace(self, device=self.device or start.device, data_dir=directory)
        if self.engine != "auto":
            return begun
        workers = self.workers if self.workers is not None else start.workers
        mixed = self.mixed_cpus or (start.mixed_cpus and start.engine == "ray")
        return replace(begun, engine=start.engine, workers=workers, mixed_cpus=mixed)

    def prepare(self, experiment: Experiment) -> Setting:
        """Prepare `experiment` with these data on this device; see `fedlens.experiment.setting.prepare`."""
        return prepare(
            experiment, self.device or "cpu", self.data_dir, self.dataset, checked_timeout(self.client_timeout)
        )

    def cluster(self, experiment: Experiment) -> AbstractContextManager[Cluster | None]:
        """Return a context that connects to the cluster and sends it the modules of `experiment`.

        It yields ``None`` for other engines than ``ray``.

        Raises:
            ConfigError: a cluster's option is given for another engine, or there is no connection.
        """
        if self.engine == "ray":
            modules = modules_of(component for _, component in experiment.components())
            connected: Callable[..., AbstractContextManager[Cluster]] = remote("connected")
            return connected(self.address, self.workers, modules, self.mixed_cpus)
        if self.address is not None or self.mixed_cpus:
            raise ConfigError("--address and --mixed-cpus are for --engine ray; add it, or leave them out")
        return nullcontext()
