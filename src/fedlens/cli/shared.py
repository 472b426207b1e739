"""What commands share: the terminal, and the arguments that several of them take."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from fedlens.cli import completion
from fedlens.core.engine_name import EngineName
from fedlens.report.terminal.printing import PlainConsole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fedlens.analysis.run_results import Run
    from fedlens.experiment.experiment import Experiment
    from fedlens.explanations.maps import Progress

out = PlainConsole(highlight=False, emoji=False)
err = PlainConsole(stderr=True, highlight=False, emoji=False)

SOURCE = typer.Argument(
    help="A preset (see `fedlens list`), a YAML file, or a run's directory.", autocompletion=completion.sources
)
Options = Annotated[
    list[str] | None,
    typer.Option(
        "-o",
        "--option",
        metavar="NAME=VALUE",
        help="Set an option of the experiment: -o attack.boost=5.",
        autocompletion=completion.assignments,
    ),
]
DataDir = Annotated[
    Path | None, typer.Option(help="Where to find data files; default FEDLENS_DATA, or else the user's cache.")
]
EngineOption = Annotated[
    EngineName, typer.Option(help="Execution engine; results identical (vectorised: up to rounding).")
]
Address = Annotated[
    str | None, typer.Option(help="The Ray cluster: HOST:PORT or auto; default RAY_ADDRESS, or else a new cluster.")
]
MixedCpus = Annotated[
    bool,
    typer.Option("--mixed-cpus", help="Allow different processors in the Ray cluster; the last bits may then differ."),
]
ClientTimeout = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Time limit for a client, check, rule or other custom code. [none]"),
]
On = Annotated[Literal["local", "ray"], typer.Option(help="Where to run: on this machine, or on a Ray cluster.")]
Jobs = Annotated[
    int | None, typer.Option(help="How many runs at a time; default one per core, of the whole cluster with --on ray.")
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Import modules named by a run or sweep that you did not begin yourself.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...")]


def say(text: str, style: str = "", *, lead: int = 0, console: PlainConsole = out) -> None:
    """Print sentences, on a terminal in lines that fit it; elsewhere a line stays one, for whoever searches it.

    Args:
        text: the sentences.
        style: of the whole, or of the first `lead` letters.
        lead: see `style`.
        console: where to print.
    """
    from fedlens.report.terminal.fitting import sentences

    words = Text(sentences(text, console.width) if console.is_terminal else text)
    words.stylize(style, 0, lead or None)
    console.print(words, soft_wrap=True)


@contextmanager
def mapping(total: int) -> Iterator["Progress"]:
    """Show a progress bar of this many maps of explanations, and comparisons of maps."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("explaining"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("explaining", total=total)
        yield lambda count: bar.advance(task, count)


def print_imported(experiments: "Iterable[Experiment]") -> None:
    """Print which modules that are not fedlens' own were imported for these experiments, and from where."""
    from fedlens.core.registry import origins

    modules = dict.fromkeys(origin for experiment in experiments for origin in origins(experiment.components()))
    if modules:
        out.print(f"Imported: {', '.join(modules)}", style="dim", markup=False, soft_wrap=True)


def make_folder(folder: Path) -> None:
    """Make the folder for results before there are any to lose.

    Raises:
        RunError: it cannot be made.
    """
    from fedlens.core.files import writing

    with writing(folder, "choose another --out"):
        folder.mkdir(parents=True, exist_ok=True)


def print_drawn(figure: "Figure", path: Path) -> None:
    """Save a figure at `path`, a PNG, and as SVG beside it, and print where."""
    from fedlens.report.figures.figures import save_figure

    save_figure(figure, path.with_suffix(".svg"))
    out.print(f"Figure: {save_figure(figure, path)} (and .svg)", markup=False, soft_wrap=True)


def print_summary(result: "Run") -> None:
    """Print the result of a finished run: the summary, how good the checks were, and the verdict."""
    from fedlens.report.terminal.fitting import wrapped
    from fedlens.report.terminal.tables import checks_table, summary_table
    from fedlens.report.verdict import verdict

    out.print(summary_table(result))
    if (table := checks_table(result)) is not None:
        out.print(table)
    if words := verdict(result):
        out.print(wrapped(words, out.width), markup=False, soft_wrap=True)


def print_flags(result: "Run") -> None:
    """Print the reasons to doubt a run."""
    for flag in result.flags:
        say(f"Red flag: {flag}", "bold red", lead=len("Red flag:"))
