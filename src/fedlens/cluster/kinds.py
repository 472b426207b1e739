"""Kinds of nodes in a cluster: bits are the same only if processor and versions are.

PyTorch, and the libraries it calls, choose their kernels by the processor's instructions and caches, and a sum in
another order is rounded differently.
"""

import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fedlens.core.errors import ConfigError
from fedlens.core.numerics import numerics
from fedlens.core.remote import Kind

PATIENCE = 120
"""Seconds to wait for every node's answer; starting Python and importing PyTorch takes some."""


def kind() -> Kind:
    """Return the kind of this machine."""
    versions = {name: value for name, value in numerics("").items() if name != "arithmetic"}
    return versions | {"cpu": f"{versions['cpu']} ({_processor()})"}


def _processor() -> str:
    """Return the processor's model, as far as the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown model"


def kinds_of_nodes() -> dict[str, Kind]:
    """Return the kinds of all living nodes of the connected cluster, and of this process, by name.

    Raises:
        ConfigError: a node does not answer.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(_probe())
    answers = {}
    for name, node in _alive().items():
        on_node = NodeAffinitySchedulingStrategy(node, soft=False)
        answers[name] = task.options(scheduling_strategy=on_node, num_cpus=0).remote()
    _, silent = ray.wait(list(answers.values()), num_returns=len(answers), timeout=PATIENCE)
    if silent:
        names = ", ".join(name for name, answer in answers.items() if answer in silent)
        raise ConfigError(f"no answer within {PATIENCE} s from {names}; `ray status` may say why")
    kinds: dict[str, Kind] = {"this process": kind()}
    for name, answer in answers.items():
        try:
            kinds[name] = ray.get(answer)
        except ray.exceptions.RayError as error:
            if name in _alive():  # a node that was lost meanwhile will do no work
                reason = str(error).strip().splitlines()[-1]
                raise ConfigError(f"node {name} cannot work: {reason}; take it out: `ray stop` there") from None
    return kinds


def _alive() -> dict[str, str]:
    """Return the ids of the living nodes, by readable names."""
    import ray

    return {
        f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}, {node['NodeID'][:8]})": node["NodeID"]
        for node in ray.nodes()
        if node["Alive"]
    }


def _probe() -> Callable[[], Kind]:
    """Return a function that tells a node's kind; Ray sends it by value, so that a node without fedlens can answer."""

    def probe() -> dict[str, Any]:
        try:
            from fedlens.cluster.kinds import kind as kind_of_node
        except ImportError as error:
            return {"fedlens": f"not to be imported ({error})"}
        return dict(kind_of_node())

    return probe


def require_one_kind(kinds: Mapping[str, Kind], mixed: bool) -> bool:
    """Tell whether the processors differ, and refuse that unless it is allowed (`mixed`).

    Raises:
        ConfigError: the versions differ, or the processors differ and must not.
    """
    versions = {
        name: ", ".join(f"{key} {value}" for key, value in node.items() if key != "cpu") for name, node in kinds.items()
    }
    if len(set(versions.values())) > 1:
        remedy = "install the same on all: pip install -c constraints.txt '.[ray]'"
        raise ConfigError(f"the nodes have different versions: {_listed(versions)}; {remedy}")
    processors = {name: node["cpu"] for name, node in kinds.items()}
    if len(set(processors.values())) == 1:
        return False
    if not mixed:
        raise ConfigError(
            f"the nodes have different processors: {_listed(processors)}; a run on them would depend in its last bits "
            "on who did what. Take nodes of one kind, or allow the mix by --mixed-cpus"
        )
    return True


def _listed(kinds: Mapping[str, str]) -> str:
    """Return which nodes have which value, in words."""
    owners: dict[str, list[str]] = {}
    for name, value in kinds.items():
        owners.setdefault(value, []).append(name)
    return "; ".join(f"{value} on {', '.join(names)}" for value, names in owners.items())
