from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.made_sweeps import beside_both, sweep
from rich.console import Console

from fedlens.analysis.choosing import At
from fedlens.analysis.collect import collect
from fedlens.analysis.comparison import compare
from fedlens.analysis.intervals import rate
from fedlens.analysis.success import usual_differences, usual_metrics
from fedlens.report.terminal.comparison_table import comparison_table, number, tidy


def lines(table: object, width: int = 150) -> list[str]:
    """Each line that is not empty, with single spaces."""
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return [" ".join(line.split()) for line in capture.get().splitlines() if line.strip()]


def test_a_row_a_group(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", {"aggregation": ["mean", "krum(f=1)"]})
    title, _, header, _, *rows = lines(comparison_table(compare(collect([path])), "confidence"))
    assert title == "confidence, last round"
    assert header == "aggregation runs seeds targets mean attack median, range of the seeds"
    row = "4 2 4 0.305 0.050 0.305, range 0.300 to 0.310"
    assert rows == [f"mean {row}", f"krum(f=1) {row}"]


def test_five_seeds_have_an_interval_and_their_mean_beside_the_median(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", {"aggregation": ["mean"]}, lambda row: {"confidence": row["seed"] ** 2}, seeds=5)
    *_, row = lines(comparison_table(compare(collect([path])), "confidence"))
    assert row == "all runs 10 5 10 6.000 4.000 [0.000, 16.000]".removeprefix("all runs ")


def test_a_rate_is_called_so_and_has_no_median(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", {"attack.boost": [2, 5]}, lambda row: {"success": bool(row["seed"])})
    comparison = compare(collect([path]), metrics=["success"])
    _, header, _, *rows = lines(comparison_table(comparison, "success"))
    assert header == "attack.boost runs seeds targets rate [95 % interval]"
    found = rate([0, 1], [0, 1])
    assert rows == [f"{boost} 4 2 4 0.500 [{found.low:.3f}, {found.high:.3f}]" for boost in (2, 5)]
    assert tidy(comparison)["statistic"].tolist() == ["rate", "rate"]


def test_a_column_for_the_client_absent_where_it_is_known(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", {"aggregation": ["mean", "median"]}, beside_both, seeds=5)
    comparison = compare(collect([path]))
    _, first, second, _, *rows = lines(comparison_table(comparison, "confidence"))
    assert first == "without client"
    assert second == "aggregation runs seeds targets mean attack absent median [95 % interval]"
    ours = "0.320 [0.300, 0.340]"
    assert rows == [f"mean 10 5 10 0.320 0.050 – {ours}", f"median 10 5 10 0.320 0.050 0.060 {ours}"]
    names = [f"placebo_{name}" for name in ("mean", "value", "low", "high", "range_low", "range_high")]
    np.testing.assert_allclose(tidy(comparison)[names], [[np.nan] * 6, [0.06] * 6])


def test_without_an_interval_and_without_a_control(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", {"attack.boost": [2, 0.5]}, lambda _: {"loss": 1 / 3}, seeds=1, targets=1)
    comparison = compare(collect([path]), metrics=["loss"], at=At.parse("best"))
    title, header, _, *rows = lines(comparison_table(comparison, "loss"))
    assert title == "loss, best round"
    assert header.endswith("mean median")
    assert rows == ["0.5 1 1 1 0.333 0.333", "2 1 1 1 0.333 0.333"]


def test_brackets_of_a_name_are_no_markup(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", {"aggregation": ["rule[bold]", "mean"]})
    assert lines(comparison_table(compare(collect([path])), "confidence"))[4].startswith("rule[bold] 4")


def test_a_narrow_terminal_cuts_neither_numbers_nor_names(tmp_path: Path) -> None:
    name = "mine.attacks:AVeryLongNameOfAnAttack(boost=10)"
    path = sweep(tmp_path / "sweep", {"attack": [name]})
    found = lines(comparison_table(compare(collect([path]), ["attack"]), "confidence"), 80)
    assert found[1] == "attack runs seeds targets mean"
    assert found[3] == f"{name} 4 2 4 0.305"
    assert found[-2:] == [f"{name} 0.050 0.305, range 0.300 to", "0.310"]


def test_at_80_columns_value_and_interval_stand_in_one_line(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", {"aggregation": ["mean", "krum(f=1)"]}, seeds=5)
    found = lines(comparison_table(compare(collect([path])), "confidence"), 80)
    assert found[-2:] == [f"{name} 10 5 10 0.320 0.050 0.320 [0.300, 0.340]" for name in ("mean", "krum(f=1)")]


def test_a_group_without_attack_has_no_rate_of_success(tmp_path: Path) -> None:
    def measure(row: Mapping[str, Any]) -> dict[str, Any]:
        attacked = row["attack"] != "none"
        return {"confidence": 0.5, "acted": attacked, "success": attacked}

    path = sweep(tmp_path / "sweep", {"attack": ["none", "boosting"]}, measure, seeds=5, targets=1)
    assert usual_metrics(collect([path]).table) == ["confidence", "success"]
    comparison = compare(collect([path]), metrics=["confidence", "success"])
    assert comparison.title("success") == "target or goal met (success), last round"
    none, boosting = lines(comparison_table(comparison, "success"))[-2:]
    assert none == "none 5 – – no attack"
    assert boosting.startswith("boosting 5 5 5 1.000 [0.4")
    assert comparison.groups[0].metrics["confidence"].runs == 5
    assert not [words for words in (*comparison.flags, *comparison.remarks) if "left out" in words or "judged" in words]


def test_the_tidy_table_has_all_numbers(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", {"aggregation": ["mean", "median"], "attack.boost": [5, 2]})
    comparison = compare(collect([path]), ["aggregation", "attack.boost"], ["confidence", "attacker"], At.parse("1"))
    table = tidy(comparison)
    assert list(table.columns) == [
        *("metric", "at", "aggregation", "attack.boost", "runs", "seeds", "targets", "unjudged", "statistic"),
        *("mean", "value", "low", "high", "range_low", "range_high"),
        *("control_mean", "control_value", "control_low", "control_high", "control_range_low", "control_range_high"),
    ]
    assert table["metric"].tolist() == ["confidence"] * 4 + ["attacker"] * 4
    assert table["attack.boost"].tolist() == [2, 5] * 4
    row = table.iloc[1]
    assert (row["at"], row["aggregation"], row["runs"]) == ("round 1", "mean", 4)
    numbers = row[["mean", "value", "range_low", "range_high", "control_mean"]].astype(float)
    np.testing.assert_allclose(numbers, [0.105, 0.105, 0.1, 0.11, 0.05])
    assert table["statistic"].tolist() == ["median"] * 4 + ["rate"] * 4
    assert table[["low", "high"]].isna().all(axis=1).tolist() == [True] * 4 + [False] * 4
    assert pd.isna(table["control_mean"][4])


def test_differences_are_called_so(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", {"attack.boost": [5, 2]})
    comparison = compare(collect([path]), against="5")
    title, header, _, row = lines(comparison_table(comparison, "confidence"))
    assert title == "confidence, last round, less attack.boost=5"
    assert header.endswith("difference median, range of the seeds")
    assert row == "2 4 2 4 0.000 0.000, each of 2 seeds"
    found = tidy(comparison).iloc[0]
    assert (found["less"], found["attack.boost"], found["mean"], found["value"]) == ("attack.boost=5", 2, 0, 0)
    assert found.filter(like="control_").isna().all()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0.000"),
        (0.12345, "0.123"),
        (-0.5, "-0.500"),
        (0.00012345, "0.000123"),
        (12345.6, "12,346"),
        (99.0, "99.000"),
    ],
)
def test_numbers_in_words(value: float, words: str) -> None:
    assert number(value) == words


def test_no_number_is_a_dash() -> None:
    assert number(float("nan")) == "–"


def test_plain_damage_is_shown_where_nothing_else_was_wanted() -> None:
    """A loss of accuracy is known of every attacked run; it is what those achieved that wanted nothing else."""
    targets = {"cell": "a", "confidence": 0.5, "asr": None, "accuracy_drop": 0.1}
    planted = {"cell": "b", "confidence": None, "asr": 0.5, "accuracy_drop": 0.1}
    damage = {"cell": "c", "confidence": None, "asr": None, "accuracy_drop": 0.1}
    unanswered = {**targets, "confidence": None}
    assert usual_metrics(pd.DataFrame([targets, unanswered])) == ["confidence"]
    assert usual_metrics(pd.DataFrame([targets, planted])) == ["confidence", "asr"]
    assert usual_metrics(pd.DataFrame([planted, damage])) == ["asr", "accuracy_drop"]
    assert usual_metrics(pd.DataFrame([damage])) == ["accuracy_drop"]


def test_differences_are_of_what_the_attack_achieved() -> None:
    planted = {"cell": "b", "confidence": None, "asr": 0.5, "accuracy_drop": 0.1, "counts": True}
    damage = {"cell": "c", "confidence": None, "asr": None, "accuracy_drop": 0.1, "counts": True}
    assert usual_differences(pd.DataFrame([planted]), "mean") == ["asr"]
    assert usual_differences(pd.DataFrame([damage]), "mean") == ["accuracy_drop"]
    assert usual_differences(pd.DataFrame([damage]), "control") == ["accuracy"]
