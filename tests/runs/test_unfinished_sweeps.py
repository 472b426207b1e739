"""A sweep that cannot be compared yet says how far it has come, and how to go on."""

import os
from pathlib import Path

import pytest

from fedlens.analysis.collect import collect
from fedlens.analysis.sweep_progress import progress_words
from fedlens.core.errors import RunError


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ("product: {seed: [0, 1, 2, 3, 4]}", "2 of 5 cells are done"),
        ("product: {seed: [0, 1]}\nzipped: [{data: [digits, adult, x], model: [a, b, c]}]", "2 of 6 cells are done"),
        ("product: {attack: [none, honest], attack.boost: [1, 2]}", "2 of at most 4 cells are done"),
        ("product: {seed: [0, 1]}\nexclude: [{seed: 1}]", "2 of at most 2 cells are done"),
        ("[", "2 cells are done"),
    ],
)
def test_how_many_cells_are_done(tmp_path: Path, grid: str, words: str) -> None:
    path = tmp_path / "a sweep"
    for cell, file in (("a", "summary.json"), ("b", "summary.json"), ("c", "experiment.yaml")):
        (path / "cells" / cell).mkdir(parents=True)
        (path / "cells" / cell / file).touch()
    (path / "sweep.yaml").write_text(grid)
    repeat = f"fedlens sweep '{path}/sweep.yaml' --out '{path}'"
    assert progress_words(path) == f"{words}; if the sweep is not running any more, repeat: {repeat}"
    with pytest.raises(RunError, match=f"a sweep: {words}; if the sweep is not running any more"):
        collect([path])


def test_a_grid_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "sweep.yaml")
    assert progress_words(tmp_path).startswith("0 cells are done; ")
