"""The paper's figures, drawn of the first seed and target."""

from pathlib import Path

from fedlens.reproduce.claims import drawings
from fedlens.reproduce.evidence import Evidence


def draw_all(evidence: Evidence, folder: Path) -> dict[str, list[str]]:
    """Draw every figure of whose panels there are runs, into ``folder/figures``.

    Returns:
        The files, relative to `folder`, by the paper's figure (``fig4``).
    """
    from fedlens.report.figures import draw, save_figure

    found: dict[str, list[str]] = {}
    for name, drawing in drawings().items():
        runs = next((runs for _, runs in evidence.of(drawing.of)), None)
        if runs is None:
            continue
        file = save_figure(draw(drawing.kind, runs), folder / "figures" / f"{name}.png")
        found.setdefault(name.partition("-")[0], []).append(str(file.relative_to(folder)))
    return found
