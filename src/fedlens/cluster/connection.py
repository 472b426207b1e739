"""Connections to a Ray cluster, which is started on this machine if need be, for as long as they are needed."""

import logging
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fedlens.cluster.kinds import kind, kinds_of_nodes, require_one_kind
from fedlens.core.errors import ConfigError
from fedlens.core.quiet import be_quiet
from fedlens.core.redaction import redacted
from fedlens.core.remote import Cluster
from fedlens.core.users_modules import source

REACH = 5
"""Seconds to wait for a cluster's address to answer; Ray itself would try for minutes."""


@contextmanager
def connected(
    address: str | None = None, workers: int | None = None, modules: Sequence[Path] = (), mixed: bool = False
) -> Iterator[Cluster]:
    """Connect to the cluster at `address`, or start one on this machine, until the block is left.

    A program that is connected to a cluster already (``ray.init``) uses that one as it is, and stays connected.

    Args:
        address: ``HOST:PORT`` of the head, or ``auto`` for a cluster that this machine is in; by default the value of
            RAY_ADDRESS, or else a cluster is started here.
        workers: number of processes of a cluster that is started here; by default one a core.
        modules: files and packages to send to every node.
        mixed: whether the nodes' processors may differ.

    Raises:
        ConfigError: Ray is not installed, the cluster cannot be reached, or its nodes differ.
    """
    be_quiet()
    try:
        import ray
    except ImportError:
        raise ConfigError("Ray is not installed here; install it by: pip install 'fedlens[ray]'") from None
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if workers is not None and address != "local":
        raise ConfigError(
            f"--workers is for a cluster that is started here; the one at {redacted(address)} has its own; "
            "leave --workers out"
        )
    connects_itself = not ray.is_initialized()
    if connects_itself:
        _connect(address, workers, modules)
    try:
        kinds = kinds_of_nodes()
        differ = require_one_kind(kinds, mixed)
        cpus = int(ray.cluster_resources().get("CPU", 0))
        if cpus < 1:
            raise ConfigError(
                f"the cluster at {address} has no CPU to work with; start a node: ray start --address {address}"
            )
        yield Cluster(len(kinds) - 1, cpus, None if differ else kind())
    finally:
        if connects_itself:
            ray.shutdown()


def _connect(address: str, workers: int | None, modules: Sequence[Path]) -> None:
    import ray

    _require_answer(address)
    environment: dict[str, Any] = {}
    if modules:  # a node cannot set up an empty list
        environment["py_modules"] = [str(path) for path in modules]
    if (folder := source()) is not None:  # a checkout: nodes on this machine find the same one
        environment["env_vars"] = {"PYTHONPATH": f"{folder}{os.pathsep}${{PYTHONPATH}}"}
    with _keeping_sigterm(), _without_api_server():
        try:
            ray.init(
                address,
                num_cpus=workers,
                runtime_env=environment,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            reason = str(error).strip().splitlines()[0]
            remedy = "does `ray status` there say that it lives? If it wants a token, set RAY_AUTH_MODE=token"
            raise ConfigError(f"no Ray cluster could be had at {address}: {reason}; {remedy}") from None


def _require_answer(address: str) -> None:
    """Refuse an address where nobody listens."""
    host, _, port = address.rpartition(":")
    if address.startswith("ray://"):
        raise ConfigError(f"--address {redacted(address)}: run fedlens on a node of the cluster, with --address auto")
    if "@" in address:
        raise ConfigError(f"--address {redacted(address)}: Ray knows no users; expected HOST:PORT or auto")
    if not (host and port.isdecimal()):
        return
    try:
        socket.create_connection((host, int(port)), timeout=REACH).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"--address {address}: nobody answers there ({error}); `ray start --head` on a host says its address"
        ) from None


@contextmanager
def _without_api_server() -> Iterator[None]:
    """Keep Ray from starting its API server, which asks cloud providers where it is, even without a dashboard."""
    from ray._private.node import Node

    before = Node.start_api_server

    def start_none(node: Any, **_: Any) -> None:
        node._webui_url = ""

    Node.start_api_server = start_none
    try:
        yield
    finally:
        Node.start_api_server = before


@contextmanager
def _keeping_sigterm() -> Iterator[None]:
    """Restore the handler of SIGTERM, which ``ray.init`` replaces."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is not handler:  # only where this is the main thread
            signal.signal(signal.SIGTERM, handler)
