"""How a Ray cluster enters: by the names below, so that nothing imports `fedlens.cluster` before it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

REMOTE = {
    "connected": "fedlens.cluster.connection",
    "RayEngine": "fedlens.cluster.ray_engine",
    "RayExecutor": "fedlens.cluster.ray_executor",
}

Kind = Mapping[str, str]
"""Versions, and the processor as ``cpu``."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to.

    Attributes:
        nodes: how many machines it has.
        cpus: how many tasks of one thread it does at once.
        kind: of what kind every node is; ``None`` where they differ.
    """

    nodes: int
    cpus: int
    kind: Kind | None


def remote(name: Literal["connected", "RayEngine", "RayExecutor"]) -> Any:
    """Import what is called so from `fedlens.cluster`."""
    return getattr(import_module(REMOTE[name]), name)
