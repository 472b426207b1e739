"""A reproduction's directory: the runs as a sweep leaves them, and beside them what they say of the claims."""

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
from fedlens.experiment.presets import SCALES, Scale
from fedlens.runs.reading import read_json
from fedlens.studies.paper.account import account
from fedlens.studies.paper.evidence import gather
from fedlens.studies.paper.judging import judge
from fedlens.studies.paper.page import page
from fedlens.studies.paper.pictures import draw_all, drawn
from fedlens.studies.paper.plain import as_json
from fedlens.studies.paper.records import keep
from fedlens.studies.paper.rows import verdict_table
from fedlens.sweeps.cell import Cell
from fedlens.sweeps.grid import Grid
from fedlens.sweeps.sweep_directory import FILE, SweepDirectory

if TYPE_CHECKING:
    from rich.table import Table


_ABOUT = " scale: "


class Published(NamedTuple):
    """What `publish` has made.

    Attributes:
        table: the verdicts, for the terminal.
        page: the page's file.
        left_out: damaged runs, each with what is wrong and what to do.
    """

    table: "Table"
    page: Path
    left_out: list[str]


def grid_of(names: Iterable[str], scale: Scale) -> Grid:
    """What is kept in the directory of these panels' runs."""
    return Grid(name="reproduction", about=f"{scale}{_ABOUT}{', '.join(names)}", experiment={})


def require_reproduction(folder: Path, scale: Scale, *, to_run: bool) -> None:
    """Refuse a directory with something else than a reproduction at this scale in it, before anything is put there.

    Args:
        folder: the directory.
        scale: of the runs that the page shall be about.
        to_run: whether runs are to be made in it.

    Raises:
        RunError: it has the ``sweep.yaml`` of an ordinary sweep or of the other scale, or records without any.
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
    found, about, _ = str(described.get("about")).partition(_ABOUT)
    if about and found != scale:
        raise RunError(
            f"{folder}: a reproduction at {found} scale is there already; choose another --out, or --scale {found}"
        )


def benign(folder: Path, cells: Iterable[Cell]) -> Iterator[Run]:
    """The complete runs without attack among these cells of the reproduction in `folder`."""
    directory = SweepDirectory(folder)
    for cell in cells:
        if cell.experiment is not None and cell.experiment.attack is None:
            with suppress(DamagedRunError):  # it is told where cells are judged
                if (run := directory.run(cell)) is not None:
                    yield run


def publish(folder: Path, scale: Scale, data_dir: Path | None = None) -> Published:
    """Judge all complete runs in `folder`, of this and of earlier calls, and write what they say.

    ``README.md`` is for people, ``claims.json`` for programs, ``rounds.parquet`` has every round, ``figures/`` the
    pictures, and ``records/`` all that these are made from.

    Raises:
        ConfigError: there is no complete run.
        DamagedRunError: what is remembered of explanations cannot be read.
    """
    evidence = gather(folder, scale, data_dir)
    if not evidence.every:
        raise ConfigError(f"{folder}: no run is complete there, so there is nothing to judge; leave out --no-run")
    SweepDirectory(folder).write_table(evidence.table)
    keep(folder, scale, evidence.every, drawn(evidence))
    judgements, spent = judge(evidence), account(evidence)
    text = json.dumps(as_json(judgements, evidence, spent), indent=1, ensure_ascii=False)
    write_atomically(folder / "claims.json", text.encode() + b"\n")
    lines = "\n".join(page(judgements, evidence, spent, draw_all(evidence, folder), others(folder))).rstrip() + "\n"
    write_atomically(folder / "README.md", lines.encode())
    return Published(verdict_table(judgements), folder / "README.md", evidence.unreadable)


def others(folder: Path) -> dict[Scale, dict[str, Any]]:
    """The results of reproductions at other scales in the folders within this one that are called after these."""
    files = {scale: folder / scale / "claims.json" for scale in SCALES}
    return {scale: read_json(file) for scale, file in files.items() if file.exists()}
