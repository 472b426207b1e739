"""A reproduction's directory: a sweep's runs, and the results about the paper's claims."""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fedlens.analysis.run_results import Run
from fedlens.core.errors import ConfigError, DamagedRunError, RunError
from fedlens.core.files import write_atomically
from fedlens.core.parsing import parse_yaml
from fedlens.core.suggest import another
from fedlens.experiment.cell import Cell
from fedlens.experiment.presets import SCALES, Scale
from fedlens.runs.reading import read_json
from fedlens.studies.paper.account import account
from fedlens.studies.paper.claims_json import claims_json
from fedlens.studies.paper.claims_page import page
from fedlens.studies.paper.evidence import gather
from fedlens.studies.paper.evidence_pictures import draw_all, drawn
from fedlens.studies.paper.judging import judge
from fedlens.studies.paper.records import keep
from fedlens.studies.paper.rows import verdict_table
from fedlens.sweeps.grid import Grid
from fedlens.sweeps.sweep_directory import FILE, SweepDirectory

if TYPE_CHECKING:
    from rich.table import Table


_ABOUT = " scale: "


class Published(NamedTuple):
    """The results of `publish`.

    Attributes:
        table: the verdicts, for the terminal.
        page: the page's file.
        left_out: messages about damaged runs, with what to do.
    """

    table: "Table"
    page: Path
    left_out: list[str]


def grid_of(names: Iterable[str], scale: Scale) -> Grid:
    """Return the grid that is written into the directory, to mark it as a reproduction of these panels."""
    return Grid(name="reproduction", about=f"{scale}{_ABOUT}{', '.join(names)}", experiment={})


def require_reproduction(folder: Path, scale: Scale, *, to_run: bool) -> None:
    """Refuse a directory that has something else than a reproduction at this scale, before anything is written.

    Args:
        folder: the directory.
        scale: the scale of the page.
        to_run: whether runs will be made in it.

    Raises:
        RunError: it has the ``sweep.yaml`` of an ordinary sweep or of another scale, or records without any.
    """
    file = folder / FILE
    if not file.exists():
        if to_run and (folder / "records").exists():
            raise RunError(f"{file} is missing, beside the records of a reproduction; put it back, or use --no-run")
        return
    described = parse_yaml(file.read_text(encoding="utf-8"), str(file))
    if not isinstance(described, dict) or described.get("experiment"):
        raise RunError(
            f"{folder}: a sweep of other experiments is there already; choose another --out, e.g. {another(folder)}"
        )
    recorded_scale, about, _ = str(described.get("about")).partition(_ABOUT)
    if about and recorded_scale != scale:
        raise RunError(
            f"{folder}: a reproduction at {recorded_scale} scale is there already; "
            f"choose another --out, or --scale {recorded_scale}"
        )


def benign(folder: Path, cells: Iterable[Cell]) -> Iterator[Run]:
    """Yield the complete runs without attack among these cells of the reproduction in `folder`."""
    directory = SweepDirectory(folder)
    for cell in cells:
        if cell.experiment is not None and cell.experiment.attack is None:
            with suppress(DamagedRunError):  # reported when cells are judged
                if (run := directory.run(cell)) is not None:
                    yield run


def publish(folder: Path, scale: Scale, data_dir: Path | None = None) -> Published:
    """Judge all complete runs in `folder`, of this and of earlier calls, and write the results.

    ``README.md`` is for people, ``claims.json`` for programs, ``rounds.parquet`` has every round, ``figures/`` the
    pictures, and ``records/`` everything that these are made from.

    Raises:
        ConfigError: there is no complete run.
        DamagedRunError: saved similarities of explanations cannot be read.
    """
    evidence = gather(folder, scale, data_dir)
    if not evidence.all_runs:
        raise ConfigError(f"{folder}: no run is complete there, so there is nothing to judge; leave out --no-run")
    SweepDirectory(folder).write_table(evidence.table)
    keep(folder, scale, evidence.all_runs, drawn(evidence))
    judgements, cost = judge(evidence), account(evidence)
    text = json.dumps(claims_json(judgements, evidence, cost), indent=1, ensure_ascii=False)
    write_atomically(folder / "claims.json", text.encode() + b"\n")
    paragraphs = page(judgements, evidence, cost, draw_all(evidence, folder), others(folder))
    write_atomically(folder / "README.md", "\n\n".join(paragraphs).encode() + b"\n")
    return Published(verdict_table(judgements), folder / "README.md", evidence.unreadable)


def others(folder: Path) -> dict[Scale, dict[str, Any]]:
    """Return the results of reproductions at other scales, from the subfolders with the scales' names."""
    files = {scale: folder / scale / "claims.json" for scale in SCALES}
    return {scale: read_json(file) for scale, file in files.items() if file.exists()}
