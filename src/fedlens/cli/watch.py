"""``fedlens watch``: runs in the browser, as they come."""

from pathlib import Path
from typing import Annotated

import typer

from fedlens.cli.shared import DataDir, out
from fedlens.core.errors import ConfigError, RunError


def watch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of runs, or a run.")] = Path("runs"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; default any free one.")] = 0,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show a folder's runs in the browser as they go on. Only this machine can connect."""
    try:
        from fedlens.watch.serving import serve
    except ImportError as error:
        raise ConfigError(f"watch: {error.name} is not installed; pip install 'fedlens[ui]'") from error
    if not folder.is_dir():
        raise RunError(f"{folder}: no such folder; name one with runs in it, or make one: fedlens run quickstart")

    def ready(address: str) -> None:
        out.print(f"Watching {folder}: {address}", markup=False, soft_wrap=True)
        out.print("Press Ctrl-C to stop.")
        if open_:
            import webbrowser

            webbrowser.open(address)

    serve(folder, data_dir, port, ready)
