"""``fedlens report``: a run, several, a sweep or an audit as one HTML file."""

from pathlib import Path
from typing import Annotated

import typer

from fedlens.cli.shared import DataDir, out


def report(  # noqa: PLR0917 - typer passes them by name
    paths: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Directories of runs, of sweeps, or of an audit.")
    ],
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="The HTML file.")] = Path("report.html"),
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    data_dir: DataDir = None,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Import the modules that a run names, to show its samples and confusion matrix."),
    ] = False,
    without_samples: Annotated[
        bool, typer.Option("--without-samples", help="Leave out inputs, records, pictures and explanations of samples.")
    ] = False,
) -> None:
    """Write one HTML file about runs, an audit or a test."""
    from fedlens.report.html.page import write_report

    size = write_report(paths, output, data_dir, code=trust, samples=not without_samples)
    out.print(f"Report: {output} ({size / 1e6:.1f} MB)", markup=False, soft_wrap=True)
    if open_:
        import webbrowser

        webbrowser.open(output.resolve().as_uri())
