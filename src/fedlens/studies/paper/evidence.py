"""The evidence for or against the claims: complete runs of a sweep's directory, by panel, seed and target.

A run is assigned to panels by its experiment, so that runs of earlier calls, with other figures, seeds or targets,
count too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fedlens.analysis.run_results import Run, load_run
from fedlens.core.errors import FedlensError
from fedlens.experiment.cell import Cell
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.presets import Scale
from fedlens.runs.loading import load_experiment
from fedlens.studies.paper.case import Case
from fedlens.studies.paper.plan import every_panel, preset_of
from fedlens.sweeps.rounds_table import rounds_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Evidence:
    """Complete runs at one scale.

    Attributes:
        folder: the reproduction's directory.
        scale: the scale, which determines their model, E and T.
        runs: by panel and case.
        unreadable: messages about damaged runs, with what to do.
        data_dir: where the user keeps data files.
    """

    folder: Path
    scale: Scale
    runs: Mapping[str, Mapping[Case, Run]]
    unreadable: list[str] = field(default_factory=list)
    data_dir: Path | None = None

    def cases_with(self, panels: tuple[str, ...]) -> Iterator[tuple[Case, list[Run]]]:
        """Yield the cases for which there is a run of each of these panels, with the runs.

        Runs of unequal length may have drawn different targets, since the draw depends on the twin's last model; cases
        with such runs are left out.
        """
        by_panel = [self.runs.get(panel, {}) for panel in panels]
        for case in sorted(set.intersection(*map(set, by_panel))):
            runs = [of_panel[case] for of_panel in by_panel]
            if all(run.target.index == runs[0].target.index for run in runs):
                yield case, runs

    @cached_property
    def table(self) -> "pd.DataFrame":
        """Return every round of every run, with its panel as ``name``; see `fedlens.sweeps.rounds_table.rounds_of`."""
        return rounds_of(
            [
                (Cell({"name": name, "seed": case.seed, "target.draw": case.draw}, run.experiment), run)
                for name, runs in self.runs.items()
                for case, run in runs.items()
            ]
        )

    @cached_property
    def all_runs(self) -> list[Run]:
        """Return every run once."""
        return list({run.path: run for runs in self.runs.values() for run in runs.values()}.values())


def gather(folder: Path, scale: Scale, data_dir: Path | None = None) -> Evidence:
    """Load the complete runs in the reproduction's directory `folder` that belong to a panel at this scale."""
    by_identity: dict[str, list[str]] = {}
    names = every_panel(scale)
    for name in names:
        by_identity.setdefault(_identity_without_case(load_experiment(preset_of(name, scale))), []).append(name)
    runs: dict[str, dict[Case, Run]] = {}
    unreadable = []
    for summary in sorted(folder.glob("cells/[!.]*/summary.json")):
        try:
            run = load_run(summary.parent)
        except FedlensError as error:
            unreadable.append(f"{error}; remove {summary.parent}, and the same command makes it anew")
            continue
        for name in by_identity.get(_identity_without_case(run.experiment), []):
            case = Case(run.experiment.seed, run.experiment.target.draw)
            renamed = run.experiment.model_copy(update={"name": name})  # equal panels share a run
            runs.setdefault(name, {})[case] = replace(run, experiment=renamed)
    ordered = {name: dict(sorted(runs[name].items())) for name in names if name in runs}
    return Evidence(folder, scale, ordered, unreadable, data_dir)


def _identity_without_case(experiment: Experiment) -> str:
    """Return the experiment's identity regardless of seed and draw."""
    target = experiment.target.model_copy(update={"draw": 0})
    return experiment.model_copy(update={"seed": 0, "target": target}).identity()
