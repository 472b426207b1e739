"""Comparisons and sweeps for goals that have no target samples: they are repeated over seeds alone."""

from pathlib import Path

import pytest
from helpers.calling import called
from small import small

import fedlens
from fedlens.goals.target_samples import Target


def test_no_word_of_targets_where_there_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / "cache"))
    for seed in (0, 1):
        experiment = small(
            target=Target(), rounds=1, clients=4, goal="damage", attack="explicit-boosting", control=True, seed=seed
        )
        fedlens.run(experiment, tmp_path / f"run{seed}", engine="serial")
    code, out, err = called(capsys, "compare", tmp_path / "run0", tmp_path / "run1", "--metric", "accuracy_drop")
    assert code == 0, err
    assert "median over seeds\n" in out
    assert "one target" not in out + err
    assert "over its targets" not in out
