"""The command line: ``fedlens run``, ``list``, ``show``, ``plot`` and ``partition``.

A user's mistake is answered in a line or two with the remedy, and exit code 2. Heavy libraries are imported by the
command that needs them.
"""

import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from fedlens.errors import ConfigError, FedlensError

if TYPE_CHECKING:
    from fedlens.runs.load import Run

app = typer.Typer(
    help="Adversarial testing of federated learning: poison a model with one client, see what shows.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

SOURCE = typer.Argument(help="A preset (see `fedlens list`), a YAML file, or a run's directory.")
Options = Annotated[
    list[str] | None, typer.Option("-o", "--option", metavar="NAME=VALUE", help="Change a value: -o attack.boost=5.")
]
DataDir = Annotated[Path | None, typer.Option(help="Where data files are; else FEDLENS_DATA, else the user's cache.")]


@app.command()
def run(  # noqa: PLR0917 - typer passes them by name
    source: Annotated[str | None, SOURCE] = None,
    option: Options = None,
    out_dir: Annotated[Path | None, typer.Option("--out", help="The run's directory; default runs/NAME.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    seed: Annotated[int | None, typer.Option(help="Where all randomness begins.")] = None,
    no_control: Annotated[bool, typer.Option("--no-control", help="Do without the benign twin.")] = False,
    engine: Annotated[
        Literal["auto", "serial", "processes", "vectorised"],
        typer.Option(help="Who does the work; results are the same, by vectorised up to rounding."),
    ] = "auto",
    workers: Annotated[int | None, typer.Option(help="Worker processes; default one a core.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...")] = "cpu",
    data_dir: DataDir = None,
) -> None:
    """Run an experiment, and its benign twin unless that is known already."""
    from fedlens import simulation
    from fedlens.loading import load_experiment
    from fedlens.report.progress import Terminal
    from fedlens.runs import places

    assignments = list(option or [])
    assignments += [f"seed={seed}"] if seed is not None else []
    assignments += ["control=false"] if no_control else []
    if resume:
        out_dir = out_dir or (Path(source) if source and Path(source).is_dir() else None)
        source = str(places.written(out_dir)) if out_dir and source in {None, str(out_dir)} else source
    if source is None:
        raise ConfigError("what shall be run? Name a preset or a file; `fedlens list` shows the presets")
    experiment = load_experiment(source, assignments)
    path = places.resumable(experiment, out_dir) if resume else places.unused(experiment, out_dir)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        result = simulation.run(
            experiment,
            path,
            resume=resume,
            engine=engine,
            workers=workers,
            device=device,
            data_dir=data_dir,
            observer=Terminal(out),
        )
    except KeyboardInterrupt:
        means = f" --device {device}" if device != "cpu" else ""
        means += f" --data-dir {data_dir}" if data_dir else ""
        kept = f"go on with: fedlens run --resume --out {path}{means}"
        kept = kept if (path / "experiment.yaml").exists() else "nothing had been recorded yet"
        err.print(f"Interrupted; {kept}", markup=False, soft_wrap=True)
        raise SystemExit(130) from None
    _print_result(result)
    _print_suggestions(result)


def _print_result(result: "Run") -> None:
    from fedlens.report.figures import figures_of, save_figure
    from fedlens.report.tables import summary_table
    from fedlens.report.words import verdict

    assert result.summary is not None
    out.print()
    out.print(summary_table(result))
    out.print()
    if words := verdict(result):
        out.print(words, markup=False)
    _print_flags(result)
    for kind, figure in figures_of(result):
        out.print(f"Figure: {save_figure(figure, result.path / f'{kind}.png')}", markup=False, soft_wrap=True)


def _print_flags(result: "Run") -> None:
    for flag in result.flags:
        out.print(f"[bold red]Red flag:[/bold red] {flag}", soft_wrap=True)


def _print_suggestions(result: "Run") -> None:
    change = "attack.boost=2" if result.experiment.attack else "attack=explicit-boosting"
    for line in ("\nNext:", f"  fedlens show {result.path}", f"  fedlens run {result.path} -o {change}"):
        out.print(line, markup=False, soft_wrap=True)


@app.command()
def show(path: Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")]) -> None:
    """Print a run: what it was, every round, the result."""
    from fedlens.report.tables import rounds_table, summary_table
    from fedlens.report.words import attack_name, headline, target_words, verdict
    from fedlens.runs.load import load_run

    found = load_run(path)
    out.print(f"[bold]{attack_name(found.experiment)}[/bold]: {headline(found.experiment)}", soft_wrap=True)
    out.print(f"target: {target_words(found)}", markup=False, soft_wrap=True)
    out.print(rounds_table(found))
    _print_flags(found)
    if found.summary is None:
        played, wanted = len(found.records), found.experiment.rounds
        out.print(
            f"Not finished: {played} of {wanted} rounds; go on with: fedlens run --resume --out {path}", soft_wrap=True
        )
        return
    out.print(summary_table(found))
    if words := verdict(found):
        out.print(words, markup=False)


@app.command()
def plot(
    paths: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Directories of runs.")],
    kind: Annotated[
        Literal["metrics", "updates", "evolution", "distances", "selection", "checks"],
        typer.Option(
            help="The metrics of interest, a round's updates as histograms, these over all rounds, ranges of the "
            "updates' distances, whose update the rule selected, or the scores of the server's checks."
        ),
    ] = "metrics",
    round_: Annotated[
        int | None, typer.Option("--round", help="For updates: which round; default the last with an attack.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The figure: .png, .svg or .pdf; default KIND.png.")
    ] = None,
) -> None:
    """Draw one run, or several to be compared."""
    from fedlens.report.figures import draw, save_figure
    from fedlens.runs.load import load_run

    figure = draw(kind, [load_run(path) for path in paths], round_)
    out.print(str(save_figure(figure, output or Path(f"{kind}.png"))), markup=False, soft_wrap=True)


@app.command("list")
def list_() -> None:
    """Print what there is to choose from: presets, attacks, rules, data sets, models; with options and defaults."""
    from fedlens.report.catalogue import catalogue

    for table in catalogue():
        out.print(table)


@app.command()
def partition(source: Annotated[str, SOURCE], option: Options = None, data_dir: DataDir = None) -> None:
    """Print how many training samples of each class every client holds."""
    from fedlens.federation.setting import prepare
    from fedlens.loading import load_experiment
    from fedlens.report.catalogue import partition_table

    out.print(partition_table(prepare(load_experiment(source, option or []), data_dir=data_dir)))


def main() -> None:
    """Run the command line, and turn what users can put right into messages."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logging.getLogger("fedlens").addHandler(handler)
    try:
        app()
    except FedlensError as error:
        for line in [f"Error: {error}", *getattr(error, "__notes__", [])[-1:]]:
            err.print(line, markup=False, soft_wrap=True)
        raise SystemExit(2) from None
    except OSError as error:
        err.print(f"Error: {error.filename or ''}: {error.strerror or error}", markup=False, soft_wrap=True)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        err.print("Interrupted.")
        raise SystemExit(130) from None
