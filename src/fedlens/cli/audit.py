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
from fedlens.core.errors import ConfigError, DamagedRunError

ALL = "all"
GOALS = ("targets", "backdoor", "damage")

if TYPE_CHECKING:
    from collections.abc import Callable

    from fedlens.experiment.experiment import Experiment
    from fedlens.studies.audit.audit import Audit


def audit(  # noqa: PLR0917 - typer passes them by name
    source: Annotated[str, SOURCE],
    option: Options = None,
    effort: Annotated[
        Literal["quick", "standard", "thorough"],
        typer.Option(help="How much is tried, in 10 minutes, 1 or 8 hours; quick never says holds."),
    ] = "standard",
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="How long all starts may take together; default as --effort says."),
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(help="How much of the search is done, as a fraction; default what fits into half of the time."),
    ] = None,
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
    from fedlens.studies.audit.described import described

    def aimed(aim: str | None) -> "Experiment":
        return described(source, option or (), goal=aim, attackers=attackers, trust=trust)

    experiments = _suiting(aimed) if goal == ALL else {goal: aimed(goal)}
    print_imported(list(experiments.values()))
    from fedlens.studies.audit.audit import audit  # after what may be refused, for it takes seconds
    from fedlens.studies.audit.planning import plan_of
    from fedlens.studies.audit.words import warnings
    from fedlens.sweeps.sweep_runtime import SweepRuntime

    runtime = SweepRuntime(jobs, engine, device, data_dir, on, address, mixed_cpus, client_timeout)
    from fedlens.report.terminal.audit_progress import AuditTerminal

    folder = out_dir or Path("audits") / next(iter(experiments.values())).name
    if (several := len(experiments)) > 1:
        goals = ", ".join(map(str, experiments))
        say(f"{several} audits, a goal each: {goals}; they take {several} times as long as one")
    codes: list[int] = []
    for aim, experiment in experiments.items():
        if goal == ALL:
            say(f"Goal: {aim}")
        if plan:
            for line in plan_of(experiment, effort, accuracy_cost, runtime, rate=rate, minutes=minutes, share=share):
                say(line)
            continue
        terminal = AuditTerminal(out)
        into = folder / str(aim) if goal == ALL else folder
        before = _verdict_in(into)
        with interruptible(lambda: f"what has been measured is kept in {folder}; the same command goes on from there"):
            try:
                made = audit(
                    experiment,
                    into,
                    effort=effort,
                    accuracy_cost=accuracy_cost,
                    rate=rate,
                    minutes=minutes,
                    share=share,
                    runtime=runtime,
                    observer=terminal,
                    tell=terminal.stage,
                    step=terminal.step,
                )
            finally:
                terminal.close()
        _print(made)
        for words in warnings(made.verdict, before, strict=strict):
            say(words, "bold yellow")
        _report(made, data_dir)
        codes.append(made.judgement.exit_code(strict=strict))
    if any(codes):
        raise SystemExit(1 if 1 in codes else max(codes))


def _suiting(aimed: "Callable[[str], Experiment]") -> "dict[str | None, Experiment]":
    """Return the experiment with each goal that suits it; say which do not."""
    found: dict[str | None, Experiment] = {}
    refused: dict[str, ConfigError] = {}
    for aim in GOALS:
        try:
            found[aim] = aimed(aim)
        except ConfigError as error:
            refused[aim] = error
    if not found:
        raise refused[GOALS[0]]
    for aim, why in refused.items():
        say(f"Without the goal {aim}, which does not suit: {why}")
    return found


def _verdict_in(folder: Path) -> str:
    """Return the verdict that an audit in this directory has come to; nothing if it has to none."""
    from fedlens.report.audited import read_audit

    try:
        return read_audit(folder).verdict
    except DamagedRunError:
        return ""


LOOKS = {"broken": "bold red", "holds": "bold green"}


def _print(made: "Audit") -> None:
    from fedlens.report.audited import Audited
    from fedlens.studies.audit.words import sentences, tables

    audited = Audited(made.path, made.plain())
    out.print()
    say(f"Verdict: {made.judgement.sentence}.", LOOKS.get(made.verdict, "bold"))
    say(audited.sentence)
    for table in tables(audited):
        out.print()
        out.print(table)
    for flag in audited.flags:
        say(f"Red flag: {flag}", "bold red", lead=len("Red flag:"))
    for line in sentences(audited):
        say(line)


def _report(made: "Audit", data_dir: Path | None) -> None:
    """Write the report, and print where it is and how to go on."""
    from fedlens.core.files import write_atomically
    from fedlens.report.audit_markdown import markdown
    from fedlens.report.audited import read_audit
    from fedlens.report.html.page import write_report

    audited = read_audit(made.path)
    page, text = made.path / "report.html", made.path / "report.md"
    size = write_report([made.path], page, data_dir, code=True)
    write_atomically(text, markdown(audited).encode(errors="replace"))
    out.print(f"Report: {page} ({size / 1e6:.1f} MB), and {text}", markup=False, soft_wrap=True)
    out.print("\nNext:", markup=False)
    for words, command in audited.commands():
        out.print(f"  {command}  # {words[:1].lower()}{words[1:]}", markup=False, soft_wrap=True)
