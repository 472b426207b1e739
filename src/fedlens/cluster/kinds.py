"""Of what kind the nodes of a cluster are: bits are the same only where processor and versions are.

PyTorch, and the libraries it calls, choose their kernels by the processor's instructions and caches, and a sum that is
formed in another order is rounded otherwise.
"""

import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fedlens.core.errors import ConfigError
from fedlens.core.numerics import numerics
from fedlens.core.remote import Kind

PATIENCE = 120
"""Seconds within which every node has to say what it is; starting Python and importing PyTorch takes some."""


def kind() -> Kind:
    """Of what kind this machine is."""
    found = {name: value for name, value in numerics("").items() if name != "arithmetic"}
    return found | {"cpu": f"{found['cpu']} ({_processor()})"}


def _processor() -> str:
    """The processor's model, where the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown model"


def kinds_of_nodes() -> dict[str, Kind]:
    """The kind of every living node of the cluster that this process is connected to, and of this process.

    Raises:
        ConfigError: a node does not answer.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(_probe())
    asked = {}
    for name, node in _alive().items():
        there = NodeAffinitySchedulingStrategy(node, soft=False)
        asked[name] = task.options(scheduling_strategy=there, num_cpus=0).remote()
    _, silent = ray.wait(list(asked.values()), num_returns=len(asked), timeout=PATIENCE)
    if silent:
        names = ", ".join(name for name, answer in asked.items() if answer in silent)
        raise ConfigError(f"no answer within {PATIENCE} s from {names}; `ray status` may say why")
    found: dict[str, Kind] = {"this process": kind()}
    for name, answer in asked.items():
        try:
            found[name] = ray.get(answer)
        except ray.exceptions.RayError as error:
            if name in _alive():  # one that was lost meanwhile will do no work
                reason = str(error).strip().splitlines()[-1]
                raise ConfigError(f"node {name} cannot work: {reason}; take it out: `ray stop` there") from None
    return found


def _alive() -> dict[str, str]:
    """The identities of the living nodes, by what to call them."""
    import ray

    return {
        f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}, {node['NodeID'][:8]})": node["NodeID"]
        for node in ray.nodes()
        if node["Alive"]
    }


def _probe() -> Callable[[], Kind]:
    """What a node is asked: a function that Ray sends by value, so that a node without fedlens can answer, too."""

    def probe() -> dict[str, Any]:
        try:
            from fedlens.cluster.kinds import kind as kind_there
        except ImportError as error:
            return {"fedlens": f"not to be imported ({error})"}
        return dict(kind_there())

    return probe


def require_one_kind(kinds: Mapping[str, Kind], mixed: bool) -> bool:
    """Whether the processors differ, where that is allowed (`mixed`).

    Raises:
        ConfigError: the versions differ, or the processors do and must not.
    """
    versions = {
        name: ", ".join(f"{key} {value}" for key, value in it.items() if key != "cpu") for name, it in kinds.items()
    }
    if len(set(versions.values())) > 1:
        remedy = "install the same on all: pip install -c constraints.txt '.[ray]'"
        raise ConfigError(f"the nodes have different versions: {_listed(versions)}; {remedy}")
    processors = {name: it["cpu"] for name, it in kinds.items()}
    if len(set(processors.values())) == 1:
        return False
    if not mixed:
        raise ConfigError(
            f"the nodes have different processors: {_listed(processors)}; a run on them would depend in its last bits "
            "on who did what. Take nodes of one kind, or allow the mix by --mixed-cpus"
        )
    return True


def _listed(kinds: Mapping[str, str]) -> str:
    """Who has what."""
    owners: dict[str, list[str]] = {}
    for name, value in kinds.items():
        owners.setdefault(value, []).append(name)
    return "; ".join(f"{value} on {', '.join(names)}" for value, names in owners.items())
