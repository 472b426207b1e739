"""The command line: ``fedlens run``, ``show``, ``plot``, ``explain``, ``report``, ``sweep``, ``compare`` and others.

There is a module for each group of commands; here they are put together, in the order in which help shows them.
A user's mistake is answered in a line or two with the remedy, and exit code 2. Heavy libraries are imported by the
command that needs them.
"""

import logging
import sys
from importlib.metadata import version
from io import TextIOWrapper
from platform import python_version
from typing import Annotated

import typer

from fedlens.cli.audit import audit
from fedlens.cli.cache import cache
from fedlens.cli.command import tracing
from fedlens.cli.compare import compare
from fedlens.cli.conform import conform
from fedlens.cli.data import data
from fedlens.cli.examples import ExampledCommand
from fedlens.cli.explain import explain
from fedlens.cli.flower import flower
from fedlens.cli.inspect_updates import inspect_updates
from fedlens.cli.interrupting import leave_imports
from fedlens.cli.look import list_, partition, plot, show
from fedlens.cli.new import new
from fedlens.cli.report import report
from fedlens.cli.reproduce import reproduce
from fedlens.cli.run import run
from fedlens.cli.shared import err, out, say
from fedlens.cli.sweep import sweep
from fedlens.cli.watch import watch
from fedlens.core.errors import FedlensError, UnjudgedError, cut
from fedlens.core.origin import place_of, told
from fedlens.core.quiet import be_quiet
from fedlens.core.staying import staying_unless_failed
from fedlens.report.terminal.printing import visible

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    run,
    show,
    plot,
    explain,
    report,
    watch,
    sweep,
    compare,
    audit,
    conform,
    inspect_updates,
    reproduce,
    list_,
    data,
    partition,
    new,
):
    app.command(command.__name__.rstrip("_").replace("_", "-"), cls=ExampledCommand)(
        tracing(staying_unless_failed()(command))
    )
app.add_typer(cache, name="cache")
app.add_typer(flower, name="flower")


def _version(wanted: bool) -> None:
    if wanted:
        versions = [f"{package} {version(package)}" for package in ("fedlens", "torch")]
        out.print(", ".join([*versions, f"Python {python_version()}"]))
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[bool, typer.Option("--version", is_eager=True, callback=_version, help="Print versions.")] = False,
) -> None:
    """Adversarial testing of federated learning: poison a model with one client, and see who notices."""


class _Plain(logging.Formatter):
    """Formats messages so that they tell the terminal nothing."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def main() -> None:
    """Run the command line, and turn what users can put right into messages."""
    be_quiet()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # that cannot hold every letter must not end what has been computed
            stream.reconfigure(errors="replace")
    handler = logging.StreamHandler()
    handler.setFormatter(_Plain("%(levelname)s: %(message)s"))
    logging.getLogger("fedlens").addHandler(handler)
    leave_imports()
    try:
        app(prog_name="fedlens")
    except Exception as error:
        lines = _words(error)
        if not lines:
            raise
        for line in lines:
            say(line, console=err)
        raise SystemExit(2) from None


def _words(error: Exception) -> list[str]:
    """Return what to say of an error that the user can put right; nothing if the fault is ours."""
    location = place_of(error)
    if isinstance(error, UnjudgedError):
        return [f"C{str(error)[1:]}."]
    if isinstance(error, FedlensError):
        return [f"Error: {error}", *getattr(error, "__notes__", [])[-1:]]
    if isinstance(error, OSError):
        where = cut(str(error.filename), 400) if error.filename else "standard output, or a file"
        reason = f"{where}: {error.strerror or cut(str(error), 400)}"
        return [f"Error: {reason}" + (f" ({location})" if location else "")]
    return [f"Error: {told(error)}; --traceback shows every frame"] if location else []
