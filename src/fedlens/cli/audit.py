"""``fedlens audit``: whether a server holds against attackers, or how it is broken."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fedlens.cli.interrupting import interruptible
from fedlens.cli.shared import (
    SOURCE,
    Address,
    ClientTimeout,
    DataDir,
    Device,
    EngineOption,
    Jobs,
    MixedCpus,
    On,
    Options,
    Trust,
    out,
    print_imported,
    say,
)

ALL = "all"
GOALS = ("targets", "backdoor", "damage")

if TYPE_CHECKING:
    from fedlens.experiment.experiment import Experiment
    from fedlens.studies.audit.audit import Audit


def audit(  # noqa: PLR0917 - typer passes them by name
    source: Annotated[str, SOURCE],
    option: Options = None,
    effort: Annotated[
        Literal["quick", "standard", "thorough"],
        typer.Option(help="quick: ten minutes, never says holds; standard: an hour; thorough: up to eight hours."),
    ] = "standard",
    accuracy_cost: Annotated[
        float, typer.Option(min=0, max=1, help="The most that a success may cost in accuracy, as a fraction.")
    ] = 0.03,
    rate: Annotated[float, typer.Option(help="The rate of success that is to be refuted, as a fraction.")] = 0.10,
    goal: Annotated[
        str | None,
        typer.Option(
            help="targets, backdoor, damage, or all: an audit each; default the experiment's, or else targets."
        ),
    ] = None,
    attackers: Annotated[
        int | None, typer.Option(min=1, help="How many clients attack; default the experiment's, or else one.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be done, and for how long; run nothing.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if undecided, too.")] = False,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="The audit's directory, new or to be resumed; default audits/NAME.")
    ] = None,
    jobs: Jobs = None,
    engine: EngineOption = "auto",
    device: Device = "cpu",
    data_dir: DataDir = None,
    on: On = "local",
    address: Address = None,
    mixed_cpus: MixedCpus = False,
    client_timeout: ClientTimeout = None,
    trust: Trust = False,
) -> None:
    """Find out whether a server holds. Repeat the command to resume, or with more effort to go on.

    The experiment's own attack is not heeded.

    The exit code is 0 if it holds or the audit is undecided, 1 if it is broken, 3 if there is no verdict; of
    several audits 1 if one is broken.
    """
    from fedlens.runs.loading import load_experiment

    def described(aim: str | None) -> "Experiment":
        assignments = list(option or [])
        if aim is not None:  # its own attack might be refused with another goal, and is not heeded
            assignments += ["attack=honest", f"goal={'null' if aim == 'targets' else aim}"]
        if attackers is not None:
            assignments += ["attack=honest", f"attackers={{count: {attackers}}}"]
        return load_experiment(source, assignments, trust=trust)

    aims: tuple[str | None, ...] = GOALS if goal == ALL else (goal,)
    experiments = [described(aim) for aim in aims]
    print_imported(experiments)
    from fedlens.studies.audit.audit import audit  # after what may be refused, for it takes seconds
    from fedlens.studies.audit.planning import plan_of
    from fedlens.sweeps.sweep_runtime import SweepRuntime

    runtime = SweepRuntime(jobs, engine, device, data_dir, on, address, mixed_cpus, client_timeout)
    folder = out_dir or Path("audits") / experiments[0].name
    if len(aims) > 1:
        say(f"{len(aims)} audits, a goal each: {', '.join(GOALS)}; they take {len(aims)} times as long as one")
    codes: list[int] = []
    for aim, experiment in zip(aims, experiments, strict=True):
        if len(aims) > 1:
            say(f"Goal: {aim}")
        if plan:
            for line in plan_of(experiment, effort, accuracy_cost, runtime):
                say(line)
            continue
        with interruptible(lambda: f"what has been measured is kept in {folder}; the same command goes on from there"):
            made = audit(
                experiment,
                folder / aim if aim is not None and len(aims) > 1 else folder,
                effort=effort,
                accuracy_cost=accuracy_cost,
                rate=rate,
                runtime=runtime,
                tell=lambda words: out.print(words, style="dim", markup=False, soft_wrap=True),
            )
        _print(made)
        codes.append(made.judgement.exit_code(strict=strict))
    if any(codes):
        raise SystemExit(1 if 1 in codes else max(codes))


def _print(made: "Audit") -> None:
    from fedlens.studies.audit.words import finalists_table, sentences

    out.print()
    out.print(finalists_table(made))
    for doubt in made.doubts:
        say(f"Red flag {doubt.code}: {doubt.words}", "bold red", lead=len(f"Red flag {doubt.code}:"))
    for line in sentences(made):
        say(line)
