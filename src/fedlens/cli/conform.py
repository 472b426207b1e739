"""``fedlens conform``: whether a rule is what it is called after."""

import sys
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

FLOWER = "flwr."
"""How the names of Flower's modules begin."""


def conform(  # noqa: PLR0917 - typer passes them by name
    thing: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:NAME",
            help="A function of the updates [n, d], a class that makes one, or a strategy of Flower.",
        ),
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

    Of Flower's own strategies, it says what else is known.

    The exit code is 0 if it agrees in all of them, and 1 if not.
    """
    from fedlens.analysis.flower_strategies import FOUND_WITH, of_strategy
    from fedlens.runs.loading import parse_assignment
    from fedlens.studies.conformance.conforming import conform

    names = dict(map(_pair, name or []))
    options = dict(map(parse_assignment, option or []))
    found = conform(_flowers(thing) or thing, as_, arrays=arrays, names=names, options=options)
    known = [deviation.words for deviation in of_strategy(thing)]
    if json is not None:
        with writing(json, "choose another --json"):
            write_atomically(json, dumps(asdict(found) | ({"known": known} if known else {}), indent=1).encode())
    _print(found, everything=everything)
    for words in known:
        say(f"Known of Flower's {found.subject}, as of flwr {FOUND_WITH}: it {words}.")
    good, total = sum(finding.conforms for finding in found.findings), len(found.findings)
    if found.conforms:
        say(f"{thing} agrees with {as_} in all {total} cases.")
        return
    say(f"{thing} agrees with {as_} in {good} of {total} cases.", console=err)
    raise SystemExit(1)


def _flowers(thing: str) -> object | None:
    """Return a strategy of Flower's as a class that aggregates; ``None`` of anything else."""
    from fedlens.studies.conformance.subject import imported

    named = thing.startswith(FLOWER)
    if named:
        import fedlens.bridges.flower  # noqa: F401 - which says what to install
    found = imported(thing)
    if not named and "flwr" not in sys.modules:
        return None
    from fedlens.bridges.flower.as_rule import as_rule, makes_strategies

    return as_rule(found) if makes_strategies(found) else None


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
