"""``fedlens reproduce``: run what the paper's claims need, judge them, draw its figures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedlens.cli.interrupting import interruptible
from fedlens.cli.shared import Address, DataDir, Device, Jobs, MixedCpus, On, err, out
from fedlens.experiment.presets import Scale

if TYPE_CHECKING:
    import pandas as pd


def reproduce(  # noqa: PLR0917 - typer passes them by name
    wanted: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FIGURE...]", help="fig4, C7, fig4-alternating, or negative; default all except negative."
        ),
    ] = None,
    scale: Annotated[
        Scale,
        typer.Option(
            help="quick: small models, few epochs; paper-10: the paper's for ten rounds; paper: for all rounds."
        ),
    ] = "quick",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 1,
    targets: Annotated[int, typer.Option(min=1, help="How many targets per seed.")] = 1,
    first_seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    first_target: Annotated[int, typer.Option(min=0, help="The first target of each seed, as target.draw.")] = 0,
    out_dir: Annotated[
        Path, typer.Option("--out", help="Directory for runs and results, new or to be resumed.")
    ] = Path("reproduction"),
    jobs: Jobs = None,
    device: Device = "cpu",
    data_dir: DataDir = None,
    on: On = "local",
    address: Address = None,
    mixed_cpus: MixedCpus = False,
    no_run: Annotated[bool, typer.Option("--no-run", help="Only judge existing runs.")] = False,
) -> None:
    """Rerun the paper's experiments and judge its claims. The figures are drawn, too."""
    from fedlens.studies.paper.plan import cost, panels, plan

    names = panels(wanted or [], scale)
    from fedlens.cli.record_keeper import RecordKeeper
    from fedlens.report.terminal.sweep_progress import SweepTerminal
    from fedlens.simulation.controls import leave_twin
    from fedlens.simulation.runtime import Runtime  # after what may be refused, for it takes seconds
    from fedlens.studies.paper.evidence import gather
    from fedlens.studies.paper.records import restore
    from fedlens.studies.paper.reproduction import benign, grid_of, publish, require_reproduction
    from fedlens.sweeps.sweep import Sweep, run_cells
    from fedlens.sweeps.sweep_runtime import SweepRuntime

    chosen = range(first_seed, first_seed + seeds), range(first_target, first_target + targets)
    cells = plan(names, scale, *chosen)
    grid = grid_of(names, scale)
    failures, unjudged = [], 0

    def tabulate(_: Sweep) -> "pd.DataFrame":
        return gather(out_dir, scale, data_dir).table  # of earlier calls, too

    require_reproduction(out_dir, scale, to_run=not no_run)
    if restored := restore(out_dir):
        out.print(f"{restored} runs laid out from {out_dir / 'records'}, without their weights", markup=False)
    if not no_run:
        runtime = SweepRuntime(jobs, device=device, data_dir=data_dir, on=on, address=address, mixed_cpus=mixed_cpus)
        terminal = SweepTerminal(out, grid.name, lambda left: cost(left, scale))
        with interruptible(lambda: "the same command goes on from here, and --no-run judges what is there"):
            for run in benign(out_dir, cells):  # perhaps of another machine, so that no twin is made here
                leave_twin(run, Runtime(device=device, data_dir=data_dir))
            observer = RecordKeeper(terminal, out_dir, scale)
            sweep = run_cells(grid, cells, out_dir, runtime=runtime, observer=observer, tabulate=tabulate)
        failures, unjudged = sweep.failures, len(sweep.unjudged)
    with out.status("judging"):
        published = publish(out_dir, scale, data_dir)
    out.print(published.table)
    for trouble in published.left_out:
        err.print(f"Left out: {trouble}", markup=False, soft_wrap=True)
    out.print(f"The page: {published.page}", markup=False, soft_wrap=True)
    if unjudged:
        file = out_dir / "unjudged.json"
        out.print(f"{unjudged} runs cannot be judged and speak for no claim: see {file}", markup=False, soft_wrap=True)
    if failures:
        err.print(f"{len(failures)} runs failed; the same command tries them again.")
        raise SystemExit(1)
