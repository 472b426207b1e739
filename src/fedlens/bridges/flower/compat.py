"""Everything of Flower that is not public, and which versions will do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution, version
from inspect import signature
from typing import Any

from numpy.typing import NDArray

from fedlens.core.errors import ConfigError

OLDEST, TOO_NEW = (1, 41), (1, 44)
WANTED = f"flwr>={OLDEST[0]}.{OLDEST[1]},<{TOO_NEW[0]}.{TOO_NEW[1]}"

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")  # or each import of Flower sends an event
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")


def flower_version() -> str:
    """Return the version of Flower that is installed.

    Raises:
        ConfigError: none is, or one that was not tried.
    """
    try:
        found = version("flwr")
    except PackageNotFoundError:
        raise ConfigError(
            f"Flower is not installed here; in an environment of its own: pip install 'fedlens[flower]' ({WANTED})"
        ) from None
    major, minor = (int(part) for part in found.split(".")[:2])
    if not OLDEST <= (major, minor) < TOO_NEW:
        raise ConfigError(f"Flower {found} is installed; these versions will do: pip install '{WANTED}'")
    return found


FLOWER = flower_version()

from flwr.app import Context, Message  # noqa: E402
from flwr.clientapp import ClientApp  # noqa: E402
from flwr.common import parameters_to_ndarrays  # noqa: E402
from flwr.server.server import Server  # noqa: E402
from flwr.serverapp.strategy import Strategy  # noqa: E402
from flwr.supercore.task_identity import TaskIdentity  # noqa: E402


def identify(task: int = 1, run: int = 1, node: int = 1) -> None:
    """Say as what this process makes messages, unless Flower has: it does so in its own processes alone."""
    for name, number in (("task_id", task), ("run_id", run), ("node_id", node)):
        if getattr(TaskIdentity, f"_{name}") is None:
            setattr(TaskIdentity, name, number)


@contextmanager
def final_arrays() -> Iterator[Callable[[], dict[str, NDArray[Any]] | None]]:
    """Note with which weights a federation ends, which Flower gives to the user's ServerApp alone.

    Yields:
        What returns them when it has ended; ``None`` if nothing has been aggregated.
    """
    last: list[dict[str, NDArray[Any]]] = []
    start, fit = Strategy.start, Server.fit

    def noting_start(strategy: Strategy, *args: Any, **options: Any) -> Any:
        result = start(strategy, *args, **options)
        if len(result.arrays):
            last.append({name: array.numpy().copy() for name, array in result.arrays.items()})
        return result

    def noting_fit(server: Server, *args: Any, **options: Any) -> Any:
        found = fit(server, *args, **options)
        last.append({str(place): array for place, array in enumerate(parameters_to_ndarrays(server.parameters))})
        return found

    with _beginning_by(noting_start, noting_fit):
        yield lambda: last[-1] if last else None


@contextmanager
def starting(make: Callable[[Any], Any] | None = None, rounds: int | None = None) -> Iterator[list[Any]]:
    """Let strategies of either API begin otherwise than a user's ServerApp says, which is not touched.

    Args:
        make: makes the strategy that takes the place of one; ``None`` to leave it.
        rounds: how many are played; ``None`` for as many as the app says.

    Yields:
        The strategies that have begun, as they were made by the user.
    """
    begun: list[Any] = []
    start, fit = Strategy.start, Server.fit

    def other(strategy: Any) -> Any:
        begun.append(strategy)
        return strategy if make is None else make(strategy)

    def other_start(*args: Any, **options: Any) -> Any:
        bound = signature(start).bind(*args, **options)
        bound.arguments["self"] = other(bound.arguments["self"])
        if rounds is not None:
            bound.arguments["num_rounds"] = rounds
        return start(*bound.args, **bound.kwargs)

    def other_fit(server: Server, num_rounds: int, timeout: float | None) -> Any:
        server.strategy = other(server.strategy)
        return fit(server, num_rounds if rounds is None else rounds, timeout)

    with _beginning_by(other_start, other_fit):
        yield begun


@contextmanager
def _beginning_by(start: Callable[..., Any], fit: Callable[..., Any]) -> Iterator[None]:
    """Let strategies of the Message API begin by `start`, and servers of the former API by `fit`."""
    before = Strategy.start, Server.fit
    Strategy.start, Server.fit = start, fit
    try:
        yield
    finally:
        Strategy.start, Server.fit = before


def program(name: str) -> Callable[[], Any]:
    """Return what Flower's program of this name calls."""
    (point,) = distribution("flwr").entry_points.select(group="console_scripts", name=name)
    found: Callable[[], Any] = point.load()
    return found


def answer_first_by(answer: Callable[[ClientApp, Message, Context], Message]) -> None:
    """Let `answer` answer the first message to a ClientApp of this process, and the app itself all others.

    A process of a SuperNode gets one message.
    """
    call = ClientApp.__call__

    def other(app: ClientApp, message: Message, context: Context) -> Message:
        ClientApp.__call__ = call
        return answer(app, message, context)

    ClientApp.__call__ = other
