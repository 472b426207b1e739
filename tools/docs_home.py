"""What the home page shows: a picture made from the committed records, and a report made by the page's own commands.

``python tools/docs_home.py`` draws the picture, ``docs/assets/attack.png``, anew. The report is made whenever the site
is built, in a few seconds.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from typing import TypeVar

from fedlens.analysis.run_results import Run, load_run
from fedlens.report.figures.figures import draw, save_figure
from fedlens.studies.paper.records import restore

Seen = TypeVar("Seen")
DOCS = Path(__file__).parents[1] / "docs"
PICTURE = DOCS / "assets" / "attack.png"
SHOWN = ("quick-seed-0-target-0.tar.xz", "fig4-constrained")
"""The archive among the reproduction's records, and the run in it, that the picture is of."""
REPORT = "sample-report.html"


def draw_picture(output: Path) -> Path:
    """Draw accuracy and confidence, without attack and with it, into the file `output`."""
    return shown_run(lambda run: save_figure(draw("metrics", [run]), output))


def shown_run(see: Callable[[Run], Seen]) -> Seen:
    """Apply `see` to the run in the picture, which lasts no longer."""
    archive, name = SHOWN
    with TemporaryDirectory() as folder:
        (records := Path(folder) / "records").mkdir()
        copy(DOCS / "reproduction" / "records" / archive, records)
        restore(Path(folder))
        runs = [load_run(path) for path in (Path(folder) / "cells").iterdir()]
        return see(next(run for run in runs if run.experiment.name == name))


def sample_commands(page: str) -> list[str]:
    """Return the commands of the block of the home page that ends with the report."""
    (block,) = [block for block in page.split("```sh\n")[1:] if REPORT in block.partition("\n```")[0]]
    return block.partition("\n```")[0].replace("\\\n", "").splitlines()


def make_report(page: str) -> bytes:
    """Do what the home page says, and return the report."""
    with TemporaryDirectory() as folder:
        for line in sample_commands(page):
            program = [sys.executable, "-c", "from fedlens.cli import main; main()"]
            environment = {**os.environ, "FEDLENS_CACHE": f"{folder}/cache", "FEDLENS_STATE": f"{folder}/state"}
            subprocess.run(
                [*program, *shlex.split(line)[1:]], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL
            )
        return (Path(folder) / REPORT).read_bytes()


if __name__ == "__main__":
    print(draw_picture(PICTURE))
