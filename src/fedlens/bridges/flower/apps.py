"""A user's Flower app as it is on disk: a folder with a ``pyproject.toml``, or the names of its two parts."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flwr.app import Context, Message
from flwr.serverapp import ServerApp

from fedlens.core.errors import ConfigError, FedlensError, named, shortened
from fedlens.core.importing import imported
from fedlens.core.origin import told
from fedlens.core.staying import staying

PROJECT = "pyproject.toml"
EXAMPLE = "my_app.task:Net"


@dataclass(frozen=True)
class App:
    """A user's app.

    Attributes:
        name: of the project, or of its server's part.
        server: its ServerApp.
        client: its ClientApp.
        run_config: the configuration of a run, by dotted names.
        folder: where it lies; ``None`` where it is given by names.

    Example:
        >>> from fedlens.bridges.flower import load_app
        >>> try:
        ...     load_app("nowhere")
        ... except Exception as error:
        ...     print(str(error).partition(";")[0])
        app: there is no folder 'nowhere'
    """

    name: str
    server: ServerApp
    client: Callable[[Message, Context], Message]
    run_config: Mapping[str, bool | float | int | str] = field(default_factory=dict)
    folder: Path | None = None


def load_app(app: str, client: str | None = None, config: Mapping[str, Any] | None = None) -> App:
    """Load an app; nothing is written into its folder.

    Args:
        app: its folder, or ``module:name`` of its ServerApp.
        client: then ``module:name`` of its ClientApp.
        config: what replaces values of its configuration.

    Raises:
        ConfigError: it cannot be loaded, or has no such configuration.

    Example:
        >>> from fedlens.bridges.flower import load_app
        >>> try:
        ...     load_app("my_app.server_app:app")
        ... except Exception as error:
        ...     print(error)
        client: app names the server's part alone; name the client's, too, e.g. --client my_app.client_app:app
    """
    if ":" in app and not Path(app).exists():
        if client is None:
            raise ConfigError(
                "client: app names the server's part alone; name the client's, too, e.g. --client my_app.client_app:app"
            )
        return App(app, thing(app, "app"), thing(client, "client"), dict(config or {}))
    folder = Path(app)
    if not folder.is_dir():
        raise ConfigError(
            f"app: there is no folder {shortened(app)}; give one with a {PROJECT}, or e.g. my_app.server_app:app"
        )
    project = _project(folder)
    flower = project.get("tool", {}).get("flwr", {}).get("app", {})
    parts = flower.get("components", {})
    if missing := [part for part in ("serverapp", "clientapp") if not isinstance(parts.get(part), str)]:
        raise ConfigError(f"{folder / PROJECT}: [tool.flwr.app.components] does not name the {missing[0]}; add it")
    known = dict(_flat(flower.get("config", {})))
    if unknown := [name for name in config or {} if name not in known]:
        has = ", ".join(known) or "nothing"
        raise ConfigError(f"config: the app has no {unknown[0]!r}; [tool.flwr.app.config] has {has}")
    server, own = (thing(parts[part], part, folder) for part in ("serverapp", "clientapp"))
    if not isinstance(server, ServerApp):
        raise ConfigError(f"serverapp: {parts['serverapp']} is {named(server)}, and no ServerApp")
    name = project.get("project", {}).get("name", folder.resolve().name)
    return App(str(name), server, own, {**known, **(config or {})}, folder)


def thing(path: str, option: str, folder: Path | None = None) -> Any:
    """Return what ``module:name`` is; modules may lie in the folder, or where one works.

    Raises:
        ConfigError: there is no such thing.
    """
    module, _, name = path.partition(":")
    if not module or not name:
        raise ConfigError(f"{option}: {shortened(path)} is no module:name; e.g. {EXAMPLE}")
    if folder is not None:
        _look_in(folder)
    try:
        with staying(f"{option} {path}", ConfigError), _unwritten():
            return imported(path)
    except FedlensError:
        raise
    except Exception as error:
        raise ConfigError(f"{option}: {path} cannot be imported: {told(error)}; e.g. {EXAMPLE}") from error


@contextmanager
def _unwritten() -> Iterator[None]:
    """Let Python leave no compiled files beside what it imports."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _look_in(folder: Path) -> None:
    """Let modules be looked for in the folder first, from now on, for apps import when they run, too."""
    if (path := str(folder.resolve())) not in sys.path:
        sys.path.insert(0, path)


def _project(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / PROJECT).read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"app: {folder} has no {PROJECT}, as the folder of a Flower app has") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{folder / PROJECT}: is no TOML: {error}") from error


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
