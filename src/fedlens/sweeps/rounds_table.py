"""All rounds of a sweep as one tidy table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fedlens.analysis.run_results import Run
from fedlens.experiment.cell import Cell
from fedlens.experiment.flat import of_one_type

if TYPE_CHECKING:
    import pandas as pd

ALWAYS = ("seed", "target.draw")
"""Options that have a column whether they vary or not, since intervals are taken over them."""


def rounds_of(runs: Sequence[tuple[Cell, Run]]) -> "pd.DataFrame":
    """Return a table with a row for each complete cell and round.

    Args:
        runs: the complete cells with their runs.

    Returns:
        ``cell`` (its identity), a column for each option that varies (dotted name; components as ``krum(f=1)``; missing
        where an option does not apply to a cell), ``seed``, ``target.draw`` and ``target_index`` in any case, and the
        columns of `fedlens.analysis.run_results.Run.rounds`.
    """
    import pandas as pd

    options = [name for name in dict.fromkeys(name for cell, _ in runs for name in cell.values) if name not in ALWAYS]
    frames = [_with_labels(cell, run, options) for cell, run in runs]
    if not frames:
        return pd.DataFrame(columns=["cell", *options, *ALWAYS, "target_index", "round"])
    table = pd.concat([frame.dropna(axis=1, how="all") for frame in frames], ignore_index=True)
    columns = list(dict.fromkeys(column for frame in frames for column in frame.columns))
    return table.reindex(columns=columns).apply(of_one_type)


def _with_labels(cell: Cell, run: Run, options: Sequence[str]) -> "pd.DataFrame":
    """Return the run's rounds with leading columns that say which cell they belong to."""
    labels: dict[str, Any] = {"cell": cell.key, **{option: cell.labels.get(option) for option in options}}
    labels |= {"seed": run.experiment.seed, "target.draw": run.experiment.target.draw}
    labels["target_index"] = " ".join(map(str, run.target.index))
    rounds = run.rounds.drop(columns=[name for name in labels if name in run.rounds])
    for position, (name, value) in enumerate(labels.items()):
        rounds.insert(position, name, [value] * len(rounds))
    return rounds
