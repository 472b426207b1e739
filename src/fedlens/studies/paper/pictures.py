"""Pictures of the evidence: the paper's figures of the first seed and target, and of all of them with intervals."""

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
"""These kinds of pictures show the histograms of updates, which not every run of earlier calls has."""
EXPLAINED = ("fig1-explicit", "fig4-constrained", "fig7-constrained")
"""Of these panels' models explanations are drawn, of the first as the paper's figures 11 and 12."""
SHOWN = ("target", "other")
"""Of these samples."""


def draw_all(evidence: Evidence, folder: Path) -> dict[str, list[str]]:
    """Draw every figure of whose panels there are runs, into ``folder/figures``.

    Returns:
        The files, relative to `folder`, by the paper's figure (``fig4``).
    """
    from fedlens.report.figures.figures import draw, save_figure

    found: dict[str, list[str]] = {}
    for name, drawing in drawings().items():
        if runs := _first(drawing.of, evidence, tables=drawing.kind in OF_TABLES):
            file = save_figure(draw(drawing.kind, runs), folder / "figures" / f"{name}.png")
            found.setdefault(name.partition("-")[0], []).append(str(file.relative_to(folder)))
    for panel in EXPLAINED:
        for run in list(evidence.runs.get(panel, {}).values())[:1]:
            files = {which: folder / "figures" / f"fig6-{panel}-{which}.png" for which in SHOWN}
            for which, picture in _explained(run, evidence.data_dir):
                save_figure(picture, files[which])
            there = [file for file in files.values() if file.exists()]  # perhaps of an earlier call
            found.setdefault("fig6", []).extend(str(file.relative_to(folder)) for file in there)
    for figure, names in together(evidence).items():
        file = save_figure(_compared(evidence, names), folder / "figures" / f"{figure}-intervals.png")
        found.setdefault(figure, []).append(str(file.relative_to(folder)))
    return found


def _explained(run: Run, data_dir: Path | None) -> "Iterator[tuple[str, Figure]]":
    """The explanations of the run's final model and its twin's, of the target and of another sample."""
    from fedlens.explanations.gather import gather
    from fedlens.explanations.maps import parse_methods
    from fedlens.report.figures.attribution_bars import attribution_figure

    try:
        (one,) = gather([run], "cpu", data_dir)
        indices = [run.target["index"][0], *one.sample_indices(["random:1"])]
        pair = one.pair(indices, parse_methods("all"), lambda _: None)
    except RunError:  # one of the models is not there any more
        return
    for place, which in enumerate(SHOWN):
        yield which, attribution_figure(pair, place, one.setting)


def drawn(evidence: Evidence) -> set[Path]:
    """The directories of the runs that histograms are drawn of, or would be if others were there to stand beside."""
    found: set[Path] = set()
    for drawing in drawings().values():
        if drawing.kind in OF_TABLES:
            alone = (run for name in drawing.of for run in _first((name,), evidence, tables=True))
            found |= {run.path for run in _first(drawing.of, evidence, tables=True) or alone}
    return found


def _first(panels: tuple[str, ...], evidence: Evidence, *, tables: bool) -> list[Run]:
    """The runs of the first case of which there is one of each panel, with `tables`; none if there is no such case."""
    for _, runs in evidence.of(panels):
        if not tables or all(run.tables(1) for run in runs):
            return runs
    return []


def together(evidence: Evidence) -> dict[str, list[str]]:
    """By figure, the panels that its pictures show of which there are runs of several seeds or targets."""
    found: dict[str, list[str]] = {}
    for name, drawing in drawings().items():
        panels = [panel for panel in drawing.of if len(evidence.runs.get(panel, {})) > 1]
        known = found.setdefault(name.partition("-")[0], [])
        known += [panel for panel in panels if panel not in known]
    return {figure: names for figure, names in found.items() if names}


def _compared(evidence: Evidence, names: list[str]) -> "Figure":
    """Confidence and accuracy of these panels over all seeds and targets, where one ends earlier after that round."""
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
