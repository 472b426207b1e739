"""The choice of an engine for a run."""

import sys
from dataclasses import dataclass

from fedlens.core.engine_name import EngineName
from fedlens.core.errors import ConfigError
from fedlens.core.remote import Cluster, remote
from fedlens.core.threads import cores
from fedlens.experiment.setting import Setting
from fedlens.models.dense import dense_layers
from fedlens.models.network import Network
from fedlens.models.stacking import MakeStack, find_stack
from fedlens.simulation.engines.engine import Engine
from fedlens.simulation.engines.processes import Processes
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.engines.vectorised import Vectorised

SIDE_BY_SIDE = "clients side by side"
"""The arithmetic of stacked clients whose rounding does not depend on their number."""

LARGEST_STACK = 8
"""Maximum number of clients in a stack on a CPU; more gain nothing and take memory."""


@dataclass(frozen=True)
class Choice:
    """A chosen engine, ready to make.

    Attributes:
        name: its name.
        workers: number of processes; 1 means this process.
        reason: the reason for the choice.
        arithmetic: determines rounding: engines with the same arithmetic give the same bits.
        stack: function that stacks clients, if they are stacked.
        largest: maximum number of clients in a stack.
        cluster: the Ray cluster, if any.
    """

    name: EngineName
    workers: int
    reason: str
    arithmetic: str = "a client at a time"
    stack: MakeStack | None = None
    largest: int = LARGEST_STACK
    cluster: Cluster | None = None

    def make(self) -> Engine:
        """Make the engine."""
        if self.cluster is not None:
            engine: Engine = remote("RayEngine")(self.cluster)
            return engine
        inner = Serial() if self.workers == 1 and self.name != "processes" else Processes(self.workers)
        return inner if self.stack is None else Vectorised(inner, self.stack, self.largest)


def choose_engine(name: EngineName, workers: int | None, setting: Setting, cluster: Cluster | None = None) -> Choice:
    """Choose the engine called `name`, or with ``auto`` the one that is likely to be fastest.

    Args:
        name: the engine's name.
        workers: number of worker processes; ``None`` for one per core, at most a round's clients.
        setting: the prepared experiment.
        cluster: the Ray cluster that engine ``ray`` works on.

    Raises:
        ConfigError: the engine cannot be used here.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"--workers {workers}: at least one is needed; e.g. --workers 1")
    if name == "ray":
        return _ray(setting, cluster)
    can_fork = sys.platform == "linux" and setting.device.type == "cpu"
    if workers is not None and workers > 1 and not can_fork:
        raise ConfigError("several workers can be had on Linux and on the CPU only; leave --workers out")
    cohort = setting.experiment.cohort_size
    count = (workers or min(cores(), cohort)) if can_fork else 1
    match name:
        case "serial":
            if workers is not None and workers > 1:
                raise ConfigError(f"engine serial has one worker, not {workers}; use --engine processes")
            return Choice("serial", 1, "asked for")
        case "processes":
            if not can_fork:
                raise ConfigError("engine processes works on Linux and on the CPU only; use --engine serial")
            return Choice("processes", count, "asked for")
        case "vectorised":
            return _vectorised(setting, setting.network(), count, "asked for")
    return _fastest(setting, count)


def _ray(setting: Setting, cluster: Cluster | None) -> Choice:
    if setting.device.type != "cpu":
        raise ConfigError("engine ray works on the CPU only; leave --device out, or use --engine serial")
    assert cluster is not None, "connect to a cluster first"
    kind = "of kinds that differ" if cluster.kind is None else f"of the kind {cluster.kind['cpu']}"
    arithmetic = "a client at a time" + (", on processors that differ" if cluster.kind is None else "")
    reason = f"asked for; nodes: {cluster.nodes}, {kind}"
    return Choice("ray", cluster.cpus, reason, arithmetic, cluster=cluster)


def _fastest(setting: Setting, count: int) -> Choice:
    """Choose the engine that is likely to be fastest with `count` workers."""
    reason = "a CPU trains such a network faster one client at a time"
    on_cpu = setting.device.type == "cpu"
    network = setting.network()
    if not on_cpu or dense_layers(network.module, setting.dataset.shape) is not None:
        gain = (
            "a dense network, whose clients train faster side by side"
            if on_cpu
            else "a device for many clients at once"
        )
        try:
            return _vectorised(setting, network, count, gain)
        except ConfigError as error:
            reason = str(error)
    return Choice("processes", count, reason) if count > 1 else Choice("serial", 1, f"{reason}; one worker")


def _vectorised(setting: Setting, network: Network, count: int, reason: str) -> Choice:
    shape = setting.dataset.shape
    try:
        stack = find_stack(network, shape, setting.dataset.train.x.dtype)
    except ValueError as error:
        raise ConfigError(
            f"engine vectorised: the model cannot be stacked: {error}; use --engine processes or serial"
        ) from error
    arithmetic = SIDE_BY_SIDE
    if dense_layers(network.module, shape) is None:
        arithmetic += f", spread over {count}"  # PyTorch chooses kernels of batched products by their number
    largest = LARGEST_STACK if setting.device.type == "cpu" else setting.experiment.cohort_size
    return Choice("vectorised", count, reason, arithmetic, stack, largest)
