"""A reproduction's directory: the runs as a sweep leaves them, and beside them what they say of the claims."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from fedlens.errors import ConfigError
from fedlens.presets import Scale
from fedlens.reproduce.account import account
from fedlens.reproduce.evidence import gather
from fedlens.reproduce.judging import judge
from fedlens.reproduce.page import page
from fedlens.reproduce.pictures import draw_all, drawn
from fedlens.reproduce.plain import as_json
from fedlens.reproduce.records import keep
from fedlens.reproduce.rows import verdict_table
from fedlens.runs.files import write_atomically
from fedlens.sweeps.place import SweepDirectory

if TYPE_CHECKING:
    from rich.table import Table


def publish(folder: Path, scale: Scale, data_dir: Path | None = None) -> tuple["Table", Path]:
    """Judge all complete runs in `folder`, of this and of earlier calls, and write what they say.

    ``README.md`` is for people, ``claims.json`` for programs, ``rounds.parquet`` has every round, ``figures/`` the
    pictures, and ``records/`` all that these are made from.

    Returns:
        The verdicts as a table for the terminal, and the page.

    Raises:
        ConfigError: there is no complete run.
    """
    evidence = gather(folder, scale, data_dir)
    if not evidence.every:
        raise ConfigError(f"{folder}: no run is complete there, so there is nothing to judge; leave out --no-run")
    SweepDirectory(folder).write_table(evidence.table)
    keep(folder, scale, evidence.every, drawn(evidence))
    judgements, spent = judge(evidence), account(evidence)
    text = json.dumps(as_json(judgements, evidence, spent), indent=1, ensure_ascii=False)
    write_atomically(folder / "claims.json", text.encode() + b"\n")
    lines = "\n".join(page(judgements, evidence, spent, draw_all(evidence, folder))).rstrip() + "\n"
    write_atomically(folder / "README.md", lines.encode())
    return verdict_table(judgements), folder / "README.md"
