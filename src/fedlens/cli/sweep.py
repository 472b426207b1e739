"""``fedlens sweep``: play many runs, go on with those that were interrupted, and say which failed."""

from pathlib import Path
from typing import Annotated

import typer

from fedlens.cli.interrupting import interruptible
from fedlens.cli.shared import (
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
from fedlens.core.errors import FedlensError


def sweep(  # noqa: PLR0917 - typer passes them by name
    grid: Annotated[Path, typer.Argument(metavar="GRID.yaml", help="The grid of experiments; see the README.")],
    option: Options = None,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="The sweep's directory, new or to be resumed; default sweeps/NAME.")
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
    """Run an experiment for every combination of values. Repeat the command to resume; finished cells are kept."""
    from fedlens.sweeps.grid import load_grid

    described = load_grid(grid, option, trust=trust)
    print_imported(cell.experiment for cell in described.cells() if cell.experiment is not None)
    from fedlens.report.terminal.sweep_progress import SweepTerminal  # after what may be refused, for it takes seconds
    from fedlens.sweeps.sweep import run_cells
    from fedlens.sweeps.sweep_runtime import SweepRuntime
    from fedlens.sweeps.unjudged_words import unjudged_words

    path = out_dir or Path("sweeps") / described.name
    runtime = SweepRuntime(jobs, engine, device, data_dir, on, address, mixed_cpus, client_timeout)
    what = "all rounds so far" if on == "local" else "the cells that were done"
    with interruptible(lambda: f"{what} are kept in {path}; the same command goes on from there"):
        result = run_cells(
            described, described.cells(), path, runtime=runtime, observer=SweepTerminal(out, described.name)
        )
    for line in unjudged_words(result.unjudged, len(result.cells), grid):
        say(line)
    if len(result.failures) + len(result.unjudged) < len(result.cells):
        table = result.directory.path / "rounds.parquet"
        out.print(f"Every round of every complete cell: {table}", markup=False, soft_wrap=True)
        varying = dict.fromkeys(name for cell in result.cells for name in cell.values)
        if by := next((name for name in varying if name not in {"seed", "target.draw"}), None):
            out.print(f"\nNext:\n  fedlens compare {path} --by {by}", markup=False, soft_wrap=True)
    if result.failures:
        raise FedlensError(
            f"{len(result.failures)} of {len(result.cells)} cells failed; the reasons are above and in "
            f"{result.directory.path / 'failures.json'}; the same command tries them again"
        )
