"""``fedlens compare``: any metric by any option, over seeds and targets."""

from pathlib import Path
from typing import Annotated

import typer

from fedlens.cli.shared import out, say


def compare(  # noqa: PLR0917 - typer passes them by name
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Directories of sweeps and of runs.")],
    by: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD[,FIELD]", help="Options to compare by; default the one that varies, if there is only one."
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="A column of the runs' tables; may be repeated; see `fedlens list metrics`. "
            "[what the attack achieved, as confidence or asr, and counts; with --against without counts]",
        ),
    ] = None,
    at: Annotated[
        str,
        typer.Option(
            metavar="ROUNDS",
            help="last, best, worst, mean or median over a run's rounds, or a round (3), or the mean of some (8,9,10); "
            "best is the largest, or the smallest loss.",
        ),
    ] = "last",
    from_: Annotated[
        int, typer.Option("--from", metavar="ROUND", min=1, help="Ignore the rounds before this one.")
    ] = 1,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="GROUP",
            help="Differences from this group, between pairs of runs that agree in everything else; control: from each "
            "run's benign twin; placebo: from the run without the malicious client.",
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUE", help="Only runs with this value; repeat an option to allow several values."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Draw a figure: .png, .svg or .pdf.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the numbers, one row per metric and group.")] = None,
) -> None:
    """Compare runs by any option, with 95 % intervals.

    Shown are means, medians over seeds, and the runs
    without attack; `fedlens list metrics` names what can be compared.
    """
    from fedlens.analysis.choosing import At, narrowed, parse_where
    from fedlens.analysis.collect import collect
    from fedlens.analysis.comparison import compare as compared
    from fedlens.analysis.success import usual_differences, usual_metrics
    from fedlens.core.files import writing
    from fedlens.core.private_paths import near_path
    from fedlens.report.figures.comparison import comparison_figure
    from fedlens.report.figures.figures import save_figure
    from fedlens.report.terminal.comparison_table import comparison_table, tidy

    fields = [field.strip() for field in by.split(",") if field.strip()] if by else []
    conditions, when = where or [], At.parse(at, from_)
    collection = narrowed(collect(list(map(near_path, paths)), {*fields, *parse_where(conditions)}), conditions)
    table = collection.table
    usual = usual_metrics(table) if against is None else usual_differences(table, against)
    metrics = list(dict.fromkeys(metric or usual))
    comparison = compared(collection, fields, metrics, when, against)
    metrics = comparison.metrics
    for name in metrics:
        out.print(comparison_table(comparison, name))
    if any(not comparison.rate(name) for name in metrics):
        targets = any(group.metrics[name].targets for group in comparison.groups for name in metrics)
        means = ", of each seed's mean over its targets" if targets else ""
        out.print(f"median over seeds{means}", style="dim")
    if any(comparison.rate(name) for name in metrics):
        out.print("rate over seeds, of each seed's share, with its 95 % interval", style="dim")
    for flag in comparison.flags:
        say(f"Red flag: {flag}", "bold red")
    for remark in comparison.remarks:
        say(f"Note: {remark}")
    if csv is not None:
        with writing(csv, "choose another file"):
            csv.parent.mkdir(parents=True, exist_ok=True)
            tidy(comparison).to_csv(csv, index=False)
        out.print(f"Numbers: {csv}", markup=False, soft_wrap=True)
    if output is not None:
        written = save_figure(comparison_figure(comparison, metrics), output)
        out.print(f"Figure: {written}", markup=False, soft_wrap=True)
