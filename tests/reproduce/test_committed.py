"""The committed records can be judged by anyone who has a checkout."""

import shutil
from pathlib import Path

from fedlens.reproduce.evidence import gather
from fedlens.reproduce.explained import FILE, explained_others
from fedlens.reproduce.judging import judge
from fedlens.reproduce.records import FOLDER, restore

COMMITTED = Path(__file__).parents[2] / "docs" / "reproduction"


def test_every_committed_record_is_a_run_of_a_panel_and_is_judged(tmp_path: Path) -> None:
    shutil.copytree(COMMITTED / FOLDER, tmp_path / FOLDER)
    shutil.copy(COMMITTED / FILE, tmp_path / FILE)
    laid_out = restore(tmp_path)
    evidence = gather(tmp_path, "quick")
    assert evidence.unreadable == []
    assert len(evidence.every) == laid_out > 0
    assert any(judgement.cases for judgement in judge(evidence))
    assert len(explained_others(evidence, "fig4-constrained")) >= 6  # as remembered: the models are not there
