"""``fedlens conform``: whether a rule is what it is called after."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fedlens.cli.shared import err, out, say
from fedlens.core.documents import dumps
from fedlens.core.errors import ConfigError, shortened
from fedlens.core.files import write_atomically, writing
from fedlens.report.terminal.printing import PlainTable

if TYPE_CHECKING:
    from fedlens.studies.conformance.conforming import Conformance


def conform(  # noqa: PLR0917 - typer passes them by name
    thing: Annotated[
        str, typer.Argument(metavar="MODULE:NAME", help="A function of the updates [n, d], or a class that makes one.")
    ],
    as_: Annotated[
        str, typer.Option("--as", metavar="METHOD", help="The method that it should be, as in `fedlens list rules`.")
    ],
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="OURS=THEIRS", help="What it calls an option of the method: --name f=num_byzantine."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("-o", "--option", metavar="NAME=VALUE", help="A value for all cases: -o f=2."),
    ] = None,
    arrays: Annotated[
        Literal["numpy", "torch"] | None,
        typer.Option(help="What it takes; default torch if its module imports torch, else numpy."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show the cases in which it agrees, too.")] = False,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all findings as JSON.")] = None,
) -> None:
    """Show where a rule of yours differs from a published one.

    It is put to small rounds whose right answers are known.

    The exit code is 0 if it agrees in all of them, and 1 if not.
    """
    from fedlens.runs.loading import parse_assignment
    from fedlens.studies.conformance.conforming import conform

    names = dict(map(_pair, name or []))
    options = dict(map(parse_assignment, option or []))
    found = conform(thing, as_, arrays=arrays, names=names, options=options)
    if json is not None:
        with writing(json, "choose another --json"):
            write_atomically(json, dumps(asdict(found), indent=1).encode())
    _print(found, everything=everything)
    good, total = sum(finding.conforms for finding in found.findings), len(found.findings)
    if found.conforms:
        say(f"{thing} agrees with {as_} in all {total} cases.")
        return
    say(f"{thing} agrees with {as_} in {good} of {total} cases.", console=err)
    raise SystemExit(1)


def _print(found: "Conformance", *, everything: bool) -> None:
    """Print a row for each case that speaks against the rule, or for all."""
    shown = [finding for finding in found.findings if everything or not finding.conforms]
    if not shown:
        return
    table = PlainTable()
    for header in ("case", "outcome", ""):
        table.add_column(header)
    for finding in shown:
        table.add_row(finding.case, finding.outcome, finding.words)
    out.print(table)


def _pair(words: str) -> tuple[str, str]:
    ours, equals, theirs = words.partition("=")
    if not equals or not ours or not theirs.isidentifier():
        raise ConfigError(f"--name {shortened(words)}: give the method's option and the rule's, as in --name f=num_byz")
    return ours, theirs
