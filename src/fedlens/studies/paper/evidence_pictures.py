"""Pictures of the evidence: the paper's figures for the first seed and target, and for all of them with intervals."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fedlens.analysis.run_results import Run
from fedlens.core.errors import RunError
from fedlens.studies.paper.claims import drawings
from fedlens.studies.paper.evidence import Evidence

if TYPE_CHECKING:
    from matplotlib.figure import Figure


OF_TABLES = ("updates", "evolution")
"""Kinds of pictures that show histograms of updates, which not every run of earlier calls has."""
EXPLAINED = ("fig1-explicit", "fig4-constrained", "fig7-constrained")
"""Panels whose models' explanations are drawn; those of the first are the paper's figures 11 and 12."""
SHOWN = ("target", "other")
"""The samples that are explained."""


def draw_all(evidence: Evidence, folder: Path) -> dict[str, list[str]]:
    """Draw every figure whose panels have runs, into ``folder/figures``.

    Returns:
        The files, relative to `folder`, by the paper's figure (``fig4``).
    """
    from fedlens.report.figures.figures import draw, save_figure

    files_by_figure: dict[str, list[str]] = {}
    for name, drawing in drawings().items():
        if runs := _first_runs(drawing.of, evidence, tables=drawing.kind in OF_TABLES):
            file = save_figure(draw(drawing.kind, runs), folder / "figures" / f"{name}.png")
            files_by_figure.setdefault(name.partition("-")[0], []).append(str(file.relative_to(folder)))
    for panel in EXPLAINED:
        for run in list(evidence.runs.get(panel, {}).values())[:1]:
            files = {which: folder / "figures" / f"fig6-{panel}-{which}.png" for which in SHOWN}
            for which, picture in _explained(run, evidence.data_dir):
                save_figure(picture, files[which])
            existing = [file for file in files.values() if file.exists()]  # perhaps of an earlier call
            files_by_figure.setdefault("fig6", []).extend(str(file.relative_to(folder)) for file in existing)
    for figure, names in repeated_panels(evidence).items():
        file = save_figure(_compared(evidence, names), folder / "figures" / f"{figure}-intervals.png")
        files_by_figure.setdefault(figure, []).append(str(file.relative_to(folder)))
    return files_by_figure


def _explained(run: Run, data_dir: Path | None) -> "Iterator[tuple[str, Figure]]":
    """Yield figures of the explanations by the run's final model and its twin's, for a target and another sample."""
    from fedlens.explanations.gather import gather
    from fedlens.explanations.maps import parse_methods
    from fedlens.report.figures.attribution_bars import attribution_figure

    try:
        (gathered,) = gather([run], "cpu", data_dir)
        indices = [run.target.index[0], *gathered.sample_indices(["random:1"])]
        pair = gathered.pair(indices, parse_methods("all"), lambda _: None)
    except RunError:  # a model is gone
        return
    for index, which in enumerate(SHOWN):
        yield which, attribution_figure(pair, index, gathered.setting)


def drawn(evidence: Evidence) -> set[Path]:
    """Return the directories of the runs whose histograms are drawn, or would be if other panels had runs, too."""
    paths: set[Path] = set()
    for drawing in drawings().values():
        if drawing.kind in OF_TABLES:
            alone = (run for name in drawing.of for run in _first_runs((name,), evidence, tables=True))
            paths |= {run.path for run in _first_runs(drawing.of, evidence, tables=True) or alone}
    return paths


def _first_runs(panels: tuple[str, ...], evidence: Evidence, *, tables: bool) -> list[Run]:
    """Return the runs of the first case that has one of each panel, with `tables` if required; else none."""
    for _, runs in evidence.cases_with(panels):
        if not tables or all(run.tables(1) for run in runs):
            return runs
    return []


def repeated_panels(evidence: Evidence) -> dict[str, list[str]]:
    """Return, by figure, the panels in its pictures that have runs of several seeds or targets."""
    by_figure: dict[str, list[str]] = {}
    for name, drawing in drawings().items():
        panels = [panel for panel in drawing.of if len(evidence.runs.get(panel, {})) > 1]
        names = by_figure.setdefault(name.partition("-")[0], [])
        names += [panel for panel in panels if panel not in names]
    return {figure: names for figure, names in by_figure.items() if names}


def _compared(evidence: Evidence, names: list[str]) -> "Figure":
    """Draw confidence and accuracy of these panels over all seeds and targets, at the earliest end of a panel."""
    from fedlens.analysis.choosing import At
    from fedlens.analysis.collect import Collection
    from fedlens.analysis.comparison import compare
    from fedlens.report.figures.comparison import comparison_figure

    metrics = ("confidence", "accuracy")
    table = evidence.table
    of_these = table[table["name"].isin(names)].reset_index(drop=True)
    ends = of_these.groupby("name")["round"].max()
    at = At() if ends.nunique() == 1 else At("", (int(ends.min()),))
    return comparison_figure(compare(Collection(of_these), ["name"], metrics, at), metrics)
