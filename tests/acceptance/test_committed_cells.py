"""Cells of the committed reproduction, drawn at random, are run again."""

import random
import shutil
from pathlib import Path

import pytest
from pinned import of_machine

import fedlens
from fedlens.core.numerics import numerics
from fedlens.runs.reading import read_starts
from fedlens.studies.paper.evidence import gather
from fedlens.studies.paper.records import FOLDER, restore

COMMITTED = Path(__file__).parents[2] / "docs" / "reproduction"

pytestmark = pytest.mark.acceptance


def test_three_cells_drawn_at_random_are_run_again_and_agree(tmp_path: Path, fashion_directory: Path) -> None:
    """To the bit where versions and processor are those of then; else rounding makes runs part after a few rounds."""
    shutil.copytree(COMMITTED / FOLDER, tmp_path / FOLDER)
    restore(tmp_path)
    for place, kept in enumerate(random.SystemRandom().sample(gather(tmp_path, "quick").all_runs, 3)):
        started = read_starts(kept.path)[-1]
        name = f"{kept.experiment.name}, seed {kept.experiment.seed}, draw {kept.experiment.target.draw}"
        again = fedlens.run(kept.experiment, tmp_path / str(place), engine=started.engine, data_dir=fashion_directory)
        if of_machine(started.numerics) == of_machine(numerics(started.numerics["arithmetic"])):
            known = [record.by_old_keys() for record in kept.records]
            found = [record.by_old_keys() for record in again.records]
            pairs = zip(found, known, strict=True)
            assert [{key: record[key] for key in old} for record, old in pairs] == known, name
        else:
            first, second = (run.records[0].quality.accuracy for run in (again, kept))
            assert first == pytest.approx(second, abs=0.02), name
            last, before = (run.records[-1].quality.accuracy for run in (again, kept))
            assert last == pytest.approx(before, abs=0.05), name
