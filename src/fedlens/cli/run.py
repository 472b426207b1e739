"""``fedlens run``: play an experiment, print what came of it, draw it."""

from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Annotated

import typer

from fedlens.cli.interrupting import interruptible
from fedlens.cli.shared import (
    SOURCE,
    Address,
    ClientTimeout,
    DataDir,
    EngineOption,
    MixedCpus,
    Options,
    Trust,
    out,
    print_flags,
    print_imported,
    print_summary,
    say,
)
from fedlens.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from fedlens.analysis.run_results import Run


def run(  # noqa: PLR0917 - typer passes them by name
    source: Annotated[str | None, SOURCE] = None,
    option: Options = None,
    out_dir: Annotated[Path | None, typer.Option("--out", help="The run's directory; default runs/NAME.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted run.")] = False,
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="Keep the global weights of every round, and the benign twin's.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of all random draws.")] = None,
    no_control: Annotated[bool, typer.Option("--no-control", help="Skip the benign twin and the placebo.")] = False,
    engine: EngineOption = "auto",
    workers: Annotated[int | None, typer.Option(help="Worker processes; default one per core.")] = None,
    address: Address = None,
    mixed_cpus: MixedCpus = False,
    client_timeout: ClientTimeout = None,
    track: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHERE", help="Also report the run to mlflow, mlflow:URI or tensorboard:DIR; may be repeated."
        ),
    ] = None,
    without_samples: Annotated[
        bool, typer.Option("--without-samples", help="Send no pictures or records of samples by --track.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 ... [cpu]")] = None,
    data_dir: DataDir = None,
    trust: Trust = False,
) -> None:
    """Run an experiment and its benign twin. A twin in the cache is not run again."""
    from fedlens.runs import places
    from fedlens.runs.loading import load_experiment, naming_lines

    assignments = list(option or [])
    assignments += [f"seed={seed}"] if seed is not None else []
    assignments += ["control=false"] if no_control else []
    if resume:
        out_dir = out_dir or (Path(source) if source and Path(source).is_dir() else None)
    begun = places.written(out_dir).parent if resume and out_dir and source in {None, str(out_dir)} else None
    if source is None and begun is None:
        raise ConfigError("what should be run? e.g. fedlens run quickstart; `fedlens list presets` names others")
    experiment = load_experiment(begun or source or "", assignments, trust=trust)
    print_imported([experiment])
    path = begun or (places.resumable if resume else places.unused)(experiment, out_dir)
    from fedlens.report.terminal.progress import Terminal
    from fedlens.simulation.runtime import Runtime  # after what may be refused, for it takes seconds
    from fedlens.simulation.simulation import play
    from fedlens.tracking.observer import Tracking
    from fedlens.tracking.parse import parse_tracker

    tracking = Tracking(Terminal(out), [(word, parse_tracker(word)) for word in track or []], path.name)
    shown: list[Path] = []

    def how_to_go_on() -> str:
        if not (path / "experiment.yaml").exists():
            return "nothing had been recorded yet"
        means: dict[str, object] = {"engine": engine, "workers": workers, "address": address, "device": device}
        means |= {"data-dir": data_dir, "client-timeout": client_timeout}
        given = {name: value for name, value in means.items() if value not in {None, "auto"}}
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        words += ["--mixed-cpus"] * mixed_cpus + ["--without-samples"] * without_samples
        words += [word for where in track or [] for word in ("--track", where)]
        return f"go on with: {join(['fedlens', 'run', '--resume', '--out', str(path), *words])}"

    try:
        with interruptible(how_to_go_on), naming_lines(begun or source or "", assignments):
            runtime = Runtime(engine, workers, device, data_dir, address, mixed_cpus, client_timeout)
            result = play(experiment, path, runtime, tracking, resume, keep_weights=keep_weights)
            _print_result(result)
            shown = tracked(path, data_dir, samples=not without_samples) if track else []
    finally:
        tracking.finish(shown)
    _print_suggestions(result)


def _print_result(result: "Run") -> None:
    from fedlens.report.figures.figures import draw, figures_of, save_figure

    out.print()
    print_summary(result)
    print_flags(result)
    drawn = set()
    for kind, figure in figures_of(result):
        out.print(f"Figure: {save_figure(figure, result.path / f'{kind}.png')}", markup=False, soft_wrap=True)
        drawn.add(kind)
    if result.records[-1].backdoor is not None and "triggered" not in drawn:
        try:
            draw("triggered", [result])
        except (ConfigError, DataError) as error:
            say(f"Note: no triggered.png: {error}")


def tracked(path: Path, data_dir: Path | None, *, samples: bool) -> list[Path]:
    """Return the run's figures and its report, which is written, for those who look at it elsewhere."""
    from fedlens.report.html.page import write_report

    write_report([path], path / "report.html", data_dir, code=True, samples=samples)
    figures = [file for file in sorted(path.glob("*.png")) if samples or file.name != "triggered.png"]
    return [*figures, path / "report.html"]


def _print_suggestions(result: "Run") -> None:
    change = f"seed={result.experiment.seed + 1}"
    if result.experiment.attack is None:
        change = "attack=explicit-boosting"
    elif _boosts(result) and result.experiment.attack.boost not in {1, 2}:  # 1 may be the only one that it knows
        change = "attack.boost=2"
    for line in ("\nNext:", f"  fedlens show {result.path}", f"  fedlens run {result.path} -o {change}"):
        out.print(line, markup=False, soft_wrap=True)


def _boosts(result: "Run") -> bool:
    """Tell whether the attack used its boosting factor, which it then logs; one of the user's own may not."""
    attacks = [client.attack for record in result.records for client in record.attackers]
    return any(attack is not None and "boost" in attack.log for attack in attacks)
