"""``fedlens show``, ``plot``, ``list`` and ``partition``: look at what has been run, and at what could be."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.text import Text

from fedlens.cli import completion
from fedlens.cli.shared import SOURCE, DataDir, Options, Trust, out, print_flags, print_imported, print_summary, say


def show(path: Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")]) -> None:
    """Print a run: its setup, every round, and the result."""
    from fedlens.analysis.changed_weights import changed_weights
    from fedlens.analysis.run_results import load_run
    from fedlens.report.terminal.classes import classes_table
    from fedlens.report.terminal.tables import rounds_table
    from fedlens.report.words import attack_name, headline, target_words, unfinished_words

    run = load_run(path)
    name = attack_name(run.experiment)
    say(f"{name}: {headline(run.experiment)}", "bold", lead=len(name))
    say(f"target: {target_words(run)}")
    out.print(rounds_table(run))
    if not run.regression:
        out.print(classes_table(run))
    print_flags(run)
    if run.summary is None:
        say(unfinished_words(run))
        return
    print_summary(run)
    for note in changed_weights(run):
        say(f"Note: {note}")


def plot(
    paths: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Directories of runs.")],
    kind: Annotated[
        Literal["metrics", "triggered", "updates", "evolution", "distances", "selection", "checks"],
        typer.Option(
            help="Accuracy and confidence, test samples with a backdoor's trigger, histograms of a round's updates, "
            "these over all rounds, ranges of the updates' distances, the weight the rule gave to each update, or the "
            "scores of the server's checks."
        ),
    ] = "metrics",
    round_: Annotated[
        int | None, typer.Option("--round", help="The round to show, for updates; default the last with an attack.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="The figure: .png, .svg or .pdf; default KIND.png.")
    ] = None,
) -> None:
    """Draw one run, or several side by side."""
    from fedlens.analysis.run_results import load_run
    from fedlens.report.figures.figures import draw, save_figure

    figure = draw(kind, [load_run(path) for path in paths], round_)
    out.print(str(save_figure(figure, output or Path(f"{kind}.png"))), markup=False, soft_wrap=True)


def list_(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="TOPIC|NAME",
            help="presets, attacks, checks, rules, data, partitions, models, methods or options, or the name of one; "
            "default an index.",
            autocompletion=completion.names,
        ),
    ] = None,
    search: Annotated[str | None, typer.Option(metavar="WORD", help="Show everything that mentions this word.")] = None,
    data: Annotated[str | None, typer.Option(metavar="NAME", help="Show the sizes of models on this data set.")] = None,
) -> None:
    """List what you can choose from. That is an index, a topic, or one attack, rule, preset ... with its options."""
    from fedlens.report.terminal.listing import listing

    for part in listing(what, search, data):
        if isinstance(part, str):
            words = Text.from_markup(part)
            say(words.plain, "bold" if words.spans else "", lead=words.spans[0].end if words.spans else 0)
        else:
            out.print(part)


def partition(
    source: Annotated[str, SOURCE], option: Options = None, data_dir: DataDir = None, trust: Trust = False
) -> None:
    """Print how many samples of each class every client holds."""
    from fedlens.report.terminal.listing import partition_table
    from fedlens.runs.loading import load_experiment, load_recorded, run_directory

    if (run := run_directory(source)) is None:
        experiment = load_experiment(source, option or [])
    else:
        kinds = ["data", "partition"]
        experiment = load_recorded(run, needed=kinds, trust=trust, assignments=option or [])
        unknown = any(getattr(check, "validates", None) is None for check in experiment.checks)
        if experiment.validation is None and unknown:  # whether samples are set apart for the checks
            kinds.append("checks")
            experiment = load_recorded(run, needed=kinds, trust=trust, assignments=option or [])
    print_imported([experiment])
    from fedlens.experiment.setting import prepare  # after what may be refused, for it takes seconds

    out.print(partition_table(prepare(experiment, data_dir=data_dir)))
