"""``fedlens inspect-updates``: logged updates of any framework, put to checks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fedlens.cli.shared import out, say
from fedlens.core.errors import shortened

if TYPE_CHECKING:
    from fedlens.defences.detector import Detector
    from fedlens.runs.inspected import Inspected


def inspect_updates(
    folder: Annotated[
        Path, typer.Argument(help="Where updates are logged: round-00001/global.safetensors, client-1.npz ...")
    ],
    check: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHECK", help="A check, or '{name: distances, margin: 0.1}'; default distances, statistics."
        ),
    ] = None,
    kind: Annotated[
        Literal["weights", "update"], typer.Option(help="What clients' files hold that do not say so themselves.")
    ] = "weights",
    sketch: Annotated[
        bool,
        typer.Option("--sketch", help="Number clients, and write no name of a client, a file or an array."),
    ] = False,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="The result's directory; default inspections/NAME.")
    ] = None,
) -> None:
    """Put logged updates of any framework to checks.

    The exit code is 0 if all updates could be compared with each other, whatever the checks say, and 1 if some are
    malformed.
    """
    from fedlens.bridges.wire.inspecting import USUAL, inspect_updates
    from fedlens.report.html.page import write_report
    from fedlens.report.inspection import clients, faults, findings, flags, sentence
    from fedlens.report.terminal.printing import PlainTable

    checks = [_check(text) for text in check] if check else USUAL
    target = out_dir or Path("inspections") / folder.resolve().name
    done = 0

    def tell(_: object) -> None:
        nonlocal done
        done += 1
        if out.is_terminal:
            out.print(f"{done} rounds read", end="\r")

    found: Inspected = inspect_updates(folder, target, checks, kind=kind, anonymous=sketch, observer=tell)
    say(sentence(found))
    for line in findings(found):
        say(line)
    for rows in (clients(found), faults(found)):
        if rows.rows:
            table = PlainTable(*rows.head, title=rows.caption)
            for row in rows.rows:
                table.add_row(*row)
            out.print(table)
    for flag in flags(found):
        say(f"Red flag: {flag}", "bold red", lead=len("Red flag:"))
    page = target / "report.html"
    size = write_report([target], page)
    out.print(f"Report: {page} ({size / 1e6:.1f} MB)", markup=False, soft_wrap=True)
    if found.malformed:
        raise SystemExit(1)


def _check(text: str) -> "Detector":
    """Return the check that an argument stands for."""
    from fedlens.core.parsing import parse_yaml
    from fedlens.core.registry import build
    from fedlens.defences.detector import Detector

    value = text if ":" in text and text[:1] != "{" else parse_yaml(text, f"--check {shortened(text)}")
    return build("checks", value, Detector)
