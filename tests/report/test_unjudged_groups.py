"""What cannot be judged is counted in its group, and nobody averages over the rest without saying so."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.calling import called
from helpers.made_sweeps import REASON, REMEDY, leave_unjudged, sweep

from fedlens.analysis.choosing import narrowed
from fedlens.analysis.collect import Collection, collect
from fedlens.analysis.comparison import compare
from fedlens.core.errors import ConfigError, DamagedRunError, RunError
from fedlens.report.figures.comparison import comparison_figure
from fedlens.report.terminal.comparison_table import comparison_head, comparison_rows, tidy

KRUM = [{"aggregation": "krum(f=1)", "seed": seed, "target.draw": 0} for seed in (1, 2)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Four runs of mean and of Krum each, and two more of Krum that cannot be judged."""
    found = sweep(tmp_path / "rules", {"aggregation": ["mean", "krum(f=1)"]})
    leave_unjudged(found, KRUM)
    return found


def all_of_krum(path: Path) -> Collection:
    """The same where no run of Krum can be judged."""
    table = pd.read_parquet(path / "rounds.parquet")
    table[table["aggregation"] == "mean"].to_parquet(path / "rounds.parquet")
    return collect([path])


def test_each_group_says_how_many_and_why(path: Path) -> None:
    comparison = compare(collect([path]))
    assert [len(group.unjudged) for group in comparison.groups] == [0, 2]
    assert comparison.flags[0] == (
        f"2 of 6 could not be judged (krum(f=1)): {REASON}; what is shown is of the others alone"
    )
    assert comparison_head(comparison, "confidence")[3] == "not judged"
    assert [row[4] for row in comparison_rows(comparison, "confidence")] == ["0 of 4", "2 of 6"]
    assert tidy(comparison)["unjudged"].tolist() == [0, 2]
    (words,) = comparison_figure(comparison, ["confidence"]).texts
    assert "Red flag: 2 of 6 could not be judged" in words.get_text()


def test_a_group_of_nothing_else_is_there_all_the_same(path: Path) -> None:
    collection = all_of_krum(path)
    assert collection.varying == ["aggregation"]
    comparison = compare(collection)
    assert [(group.label, group.runs, len(group.unjudged)) for group in comparison.groups] == [
        ("mean", 4, 0),
        ("krum(f=1)", 0, 2),
    ]
    assert f"2 of 2 could not be judged (krum(f=1)): {REASON}" in comparison.flags
    assert comparison_rows(comparison, "confidence")[1] == ["krum(f=1)", "0", "0", "0", "2 of 2", *["–"] * 3]
    comparison_figure(comparison, ["confidence"]).canvas.draw()


def test_numbers_stay_in_order_though_some_cannot_be_judged(tmp_path: Path) -> None:
    path = sweep(tmp_path / "boosts", {"attack.boost": [2, 20]})
    leave_unjudged(path, [{"attack.boost": 5, "seed": 0}])
    comparison = compare(collect([path]))
    assert [group.values for group in comparison.groups] == [(2,), (5,), (20,)]
    comparison_figure(comparison, ["confidence"]).canvas.draw()


def test_those_that_are_not_wanted_are_not_counted(path: Path) -> None:
    collection = narrowed(collect([path]), ["seed=1"])
    assert [dict(one.values)["seed"] for one in collection.unjudged] == [1]
    assert narrowed(collect([path]), ["aggregation=mean"]).unjudged == ()
    with pytest.raises(ConfigError, match=rf"none of the 2 runs can be judged: {REASON}; {REMEDY}"):
        narrowed(all_of_krum(path), ["aggregation=krum(f=1)"])


def test_one_that_another_sweep_has_judged_counts_as_judged(path: Path, tmp_path: Path) -> None:
    other = sweep(tmp_path / "other", {"aggregation": ["krum(f=1)"]}, seeds=1, targets=1)
    table = pd.read_parquet(other / "rounds.parquet")
    table.assign(cell=collect([path]).unjudged[0].cell).to_parquet(other / "rounds.parquet")
    assert len(collect([path, other]).unjudged) == 1
    assert len(collect([path, path]).unjudged) == 2


def test_a_sweep_of_nothing_else_says_what_to_do(path: Path) -> None:
    table = pd.read_parquet(path / "rounds.parquet")
    table.iloc[:0].to_parquet(path / "rounds.parquet")
    with pytest.raises(RunError, match=rf"none of the 2 cells of this sweep can be judged: {REASON}; {REMEDY}"):
        collect([path])


@pytest.mark.parametrize("content", ["[3]", "{", '[{"cell": "../x", "values": {}, "reason": "", "remedies": []}]'])
def test_a_damaged_file_is_named(path: Path, content: str) -> None:
    (path / "unjudged.json").write_text(content)
    with pytest.raises(DamagedRunError, match=r"unjudged\.json"):
        collect([path])


def test_the_command_shows_it(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "compare", path)
    assert code == 0
    assert f"Red flag: 2 of 6 could not be judged (krum(f=1)): {REASON}" in out
    assert "2 of 6" in out.partition("Red flag")[0]


def test_runs_whose_answers_are_no_numbers_are_counted_likewise(tmp_path: Path) -> None:
    def measured(row: Mapping[str, Any]) -> dict[str, Any]:
        return {"confidence": None if row["aggregation"] == "krum(f=1)" and row["seed"] else 0.5, "loss": 0.5}

    path = sweep(tmp_path / "rules", {"aggregation": ["mean", "krum(f=1)"]}, measured, seeds=5, targets=1)
    comparison = compare(collect([path]), metrics=["confidence", "loss"])
    assert comparison.flags[0] == (
        "4 of 5 could not be judged (krum(f=1)): the model's answers for the target are no numbers; "
        "what is shown is of the others alone"
    )
    assert not any("left out" in remark for remark in comparison.remarks)
    leave_unjudged(path, KRUM)
    assert [flag.partition(":")[0] for flag in compare(collect([path])).flags[:2]] == [
        "2 of 7 could not be judged (krum(f=1))",
        "4 of 5 could not be judged (krum(f=1))",
    ]


def test_runs_from_before_there_were_placebos_are_counted_for_that_reason(tmp_path: Path) -> None:
    def measured(row: Mapping[str, Any]) -> dict[str, Any]:
        old = row["aggregation"] == "mean"
        return {"acted": True, "confidence": 0.5, "success": True, "counts": None if old else True}

    path = sweep(tmp_path / "rules", {"aggregation": ["mean", "median"]}, measured, seeds=5, targets=1)
    (flag,) = [flag for flag in compare(collect([path]), metrics=["confidence", "counts"]).flags if "judged" in flag]
    assert flag == (
        "5 of 5 could not be judged (mean): it is not recorded whether a success counts, as in runs from before there "
        "were placebos"
    )
