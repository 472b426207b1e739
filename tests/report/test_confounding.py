"""What differs between groups beside what they are compared by is flagged, on made-up sweeps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.made_sweeps import sweep

from fedlens.analysis.collect import collect
from fedlens.analysis.comparison import compare

BOTH = {"aggregation": ["mean", "median"], "attack.boost": [5, 10]}


def only(path: Path, kept: Sequence[Mapping[str, Any]]) -> Path:
    """Keep the rows of a sweep that have all values of one of these."""
    table = pd.read_parquet(path / "rounds.parquet")
    there = [any(all(row[name] == value for name, value in one.items()) for one in kept) for _, row in table.iterrows()]
    table[there].to_parquet(path / "rounds.parquet", index=False)
    return path


def found(path: Path, *by: str, against: str | None = None) -> list[str]:
    flags = compare(collect([path]), by, against=against).flags
    return [flag for flag in flags if flag.startswith("the groups also differ")]


def test_an_option_that_has_another_value_in_each_group_is_flagged(tmp_path: Path) -> None:
    kept = [{"aggregation": "mean", "attack.boost": 10}, {"aggregation": "median", "attack.boost": 5}]
    path = only(sweep(tmp_path / "confounded", BOTH), kept)
    words = "the groups also differ in {}, so a difference may be due to that"
    assert found(path, "aggregation") == [words.format("attack.boost (10; 5)")]
    assert found(path, "attack.boost") == [words.format("aggregation (median; mean)")]
    assert not found(path, "aggregation", "attack.boost")


def test_a_missing_combination_is_flagged_but_not_of_pairs(tmp_path: Path) -> None:
    path = only(sweep(tmp_path / "partly", BOTH), [{"aggregation": "mean"}, {"attack.boost": 5}])
    (flag,) = found(path, "aggregation")
    assert flag.startswith("the groups also differ in attack.boost (5, 10; 5)")
    assert not found(path, "aggregation", against="mean")


def test_what_is_recorded_makes_no_difference(tmp_path: Path) -> None:
    options = {"aggregation": ["mean", "median"], "record": ["norms", "distances"]}
    path = sweep(tmp_path / "recorded", options)
    table = pd.read_parquet(path / "rounds.parquet")
    alone = (table["aggregation"] == "mean") == table["record"].astype(str).str.contains("norms")
    table[alone].to_parquet(path / "rounds.parquet", index=False)
    assert table[alone].groupby("aggregation")["record"].nunique().to_dict() == {"mean": 1, "median": 1}
    assert not found(path, "aggregation")


def test_what_all_groups_have_alike_is_not_flagged(tmp_path: Path) -> None:
    path = sweep(tmp_path / "crossed", BOTH)
    assert not found(path, "aggregation") + found(path, "attack.boost") + found(path, "seed")


@pytest.mark.parametrize("by", ["aggregation", "attack", "attack.boost"])
def test_options_that_only_one_of_the_components_has_are_not_flagged(tmp_path: Path, by: str) -> None:
    def measure(row: Mapping[str, Any]) -> dict[str, Any]:
        without = row["attack"] == "none"
        return {
            "confidence": 0.5,
            "aggregation.f": 1.0 if row["aggregation"] == "krum" else None,
            "attack.boost": None if without else row["attack.boost"],
            "attack.epochs": None if without else 5,
        }

    fields = {"aggregation": ["mean", "krum"], "attack": ["none", "explicit-boosting"], "attack.boost": [2.0, 10.0]}
    assert not found(sweep(tmp_path / "components", fields, measure), by)


def test_runs_compared_by_their_name_or_path_may_differ_in_all(tmp_path: Path) -> None:
    for name, boost in (("one", 5), ("two", 10)):
        sweep(tmp_path / name, {"name": [name], "attack.boost": [boost]})
    collection = collect([tmp_path / "one", tmp_path / "two"])
    for by in ("name", "path"):
        assert not [flag for flag in compare(collection, [by]).flags if "also differ" in flag]
