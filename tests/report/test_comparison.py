"""Groups, their numbers and the doubts about them, on made-up sweeps whose means can be worked out by hand."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.made_sweeps import beside_both, sweep

from fedlens.analysis.choosing import At, narrowed
from fedlens.analysis.collect import collect
from fedlens.analysis.comparison import FEW, FEW_MEANS, RANGES, Comparison, compare
from fedlens.analysis.intervals import COVERAGE, Interval, rate, seeds_needed
from fedlens.core.errors import ConfigError


def by_rule(row: Mapping[str, Any]) -> dict[str, Any]:
    """Without attack 0.05 · round; with it 0.1 more by mean, and by the other rule; a little from the seed."""
    more = {"mean": 0.5, "krum(f=1)": 0.2}[row["aggregation"]]
    return {
        "confidence": 0.05 * row["round"] + more + 0.01 * row["seed"],
        "control_confidence": 0.05 * row["round"],
        "success": bool(row["seed"]),
    }


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return sweep(tmp_path / "rules", {"aggregation": ["mean", "krum(f=1)"]}, by_rule)


def ranged(value: float, smallest: float, largest: float, seeds: int = 2) -> Interval:
    """A median over seeds too few for an interval."""
    return Interval(pytest.approx(value), None, None, (pytest.approx(smallest), pytest.approx(largest)), seeds, 5)


FEW_SEEDS = f"fewer than 5 seeds: {FEW_MEANS}; {RANGES}"


def labels(comparison: Comparison) -> list[str]:
    return [group.label for group in comparison.groups]


def test_median_and_range_at_the_last_round(rules: Path) -> None:
    found = compare(collect([rules]))
    assert found.by == ("aggregation",)
    assert labels(found) == ["mean", "krum(f=1)"]
    for group, more in zip(found.groups, (0.5, 0.2), strict=True):
        ours = group.metrics["confidence"]
        assert (group.runs, ours.runs, ours.seeds, ours.targets) == (4, 4, 2, 4)
        assert ours.interval == ranged(0.155 + more, 0.15 + more, 0.16 + more)
        assert (ours.mean, ours.rate) == (pytest.approx(0.155 + more), False)
        assert group.controls["confidence"].interval == ranged(0.15, 0.15, 0.15)
    assert found.flags == (FEW_SEEDS,)
    assert not found.remarks


def test_five_seeds_have_an_interval_and_need_no_remark(tmp_path: Path) -> None:
    def measure(row: Mapping[str, Any]) -> dict[str, Any]:
        """Seeds 0, 1, 4, 9 and 16; targets half less and half more."""
        return {"confidence": row["seed"] ** 2 + row["target.draw"] - 0.5}

    found = compare(collect([sweep(tmp_path / "five", {"aggregation": ["mean"]}, measure, seeds=5)]))
    (group,) = found.groups
    ours = group.metrics["confidence"]
    assert ours.interval == Interval(4, 0, 16, (0, 16), 5, 5)
    assert ours.mean == 6
    for ends, expected in ((ours.curve.value, 4), (ours.curve.low, 0), (ours.curve.high, 16)):
        np.testing.assert_array_equal(ends, [expected] * 3)
    assert not found.remarks


def test_a_seed_with_fewer_targets_counts_as_much(rules: Path) -> None:
    table = pd.read_parquet(rules / "rounds.parquet")
    table.loc[(table["seed"] == 1), "confidence"] = 0.9
    table.loc[(table["seed"] == 0), "confidence"] = 0.3
    table[table["target_index"] != "100"].to_parquet(rules / "rounds.parquet")
    ours = compare(collect([rules])).groups[0].metrics["confidence"]
    assert (ours.runs, ours.mean) == (3, pytest.approx(0.6))
    assert ours.interval == ranged(0.6, 0.3, 0.9)


def test_the_curve_is_the_same_round_by_round(rules: Path) -> None:
    group = compare(collect([rules])).groups[0]
    curve = group.metrics["confidence"].curve
    np.testing.assert_array_equal(curve.rounds, [1, 2, 3])
    np.testing.assert_allclose(curve.value, [0.555, 0.605, 0.655])
    np.testing.assert_allclose(curve.seeds, [[0.55, 0.56], [0.6, 0.61], [0.65, 0.66]])
    assert np.isnan([curve.low, curve.high]).all()
    np.testing.assert_allclose(group.controls["confidence"].curve.value, [0.05, 0.1, 0.15])


def test_truths_are_a_rate_and_need_no_control(rules: Path) -> None:
    found = compare(collect([rules]), metrics=["success", "confidence"], at=At.parse("2"))
    ours = found.groups[0].metrics["success"]
    assert ours.interval == rate([0, 1], [0, 1])  # not of four runs, for targets of a seed share it
    assert ours.interval.low is not None  # type: ignore[union-attr]
    assert (ours.rate, ours.mean) == (True, 0.5)
    assert (found.rate("success"), found.rate("confidence")) == (True, False)
    np.testing.assert_array_equal(ours.curve.low, [ours.interval.low] * 3)  # type: ignore[union-attr]
    assert set(found.groups[0].controls) == {"confidence"}
    assert found.groups[0].controls["confidence"].interval == ranged(0.1, 0.1, 0.1)


def test_a_difference_of_truths_is_no_rate(rules: Path) -> None:
    found = compare(collect([rules]), metrics=["success"], against="mean")
    assert found.groups[0].metrics["success"].interval == ranged(0, 0, 0)
    assert not found.rate("success")


def test_numbers_are_in_order_and_what_does_not_apply_is_last(tmp_path: Path) -> None:
    path = sweep(tmp_path / "boosts", {"attack.boost": [None, 10, 2, 5], "aggregation": ["median", "mean"]})
    found = compare(collect([path]), ["attack.boost", "aggregation"])
    assert labels(found)[:3] == ["attack.boost=2, median", "attack.boost=2, mean", "attack.boost=5, median"]
    assert [group.values for group in found.groups[-2:]] == [(None, "median"), (None, "mean")]
    assert labels(found)[-1] == "attack.boost=–, mean"


def test_one_group_if_nothing_varies(tmp_path: Path) -> None:
    assert labels(compare(collect([sweep(tmp_path / "one", {"aggregation": ["mean"]})]))) == ["all runs"]


def test_what_else_varies_is_averaged_and_told(tmp_path: Path) -> None:
    def measure(row: Mapping[str, Any]) -> dict[str, Any]:
        return {"confidence": row["attack.boost"] / 10 + row["seed"]}

    path = sweep(tmp_path / "grid", {"aggregation": ["mean", "median"], "attack.boost": [2, 5]}, measure)
    found = compare(collect([path]), ["aggregation"])
    ours = found.groups[0].metrics["confidence"]
    assert (ours.runs, ours.targets) == (8, 4)
    # were the two boosting factors not averaged first, the range would be from 0.2 to 1.5
    assert ours.interval == ranged(0.85, 0.35, 1.35)
    (remark,) = found.remarks
    assert remark.startswith("means go over attack.boost (2, 5) too")
    both = compare(collect([path]), ["aggregation", "attack.boost"])
    assert not both.remarks


@pytest.mark.parametrize(
    ("seeds", "targets", "interval", "words"),
    [
        (1, 1, False, ["one seed:", "one target:"]),
        (1, 3, False, ["one seed:"]),
        (3, 1, False, ["fewer than 5 seeds:"]),  # a target of its own for each seed
        (2, 2, False, ["fewer than 5 seeds:"]),
        (4, 2, False, ["fewer than 5 seeds:"]),
        (5, 1, True, []),
    ],
)
def test_flags_of_few_seeds_and_targets(
    tmp_path: Path, seeds: int, targets: int, interval: bool, words: list[str]
) -> None:
    path = sweep(tmp_path / "few", {"aggregation": ["mean", "krum(f=1)"]}, by_rule, seeds=seeds, targets=targets)
    found = compare(collect([path]))
    assert [flag[: len(start)] for flag, start in zip(found.flags, words, strict=True)] == words
    measured = found.groups[0].metrics["confidence"]
    assert measured.interval is not None
    assert (measured.interval.low is not None) == interval
    assert np.isnan(measured.curve.low).all() != interval


def test_a_flag_names_its_groups_unless_it_is_about_all(rules: Path) -> None:
    table = pd.read_parquet(rules / "rounds.parquet")
    table.loc[table["aggregation"] == "mean", "target_index"] = "7"
    table[(table["aggregation"] == "mean") | (table["seed"] == 0)].to_parquet(rules / "rounds.parquet")
    found = compare(collect([rules]))
    assert [flag.partition(":")[0] for flag in found.flags] == [
        "one seed (krum(f=1))",
        "one target (mean)",
        "fewer than 5 seeds (mean)",
    ]
    by_seed = compare(collect([rules]), ["seed"])
    assert not any(flag.startswith("one seed") for flag in by_seed.flags)


def test_runs_without_a_number_are_left_out_and_told(rules: Path) -> None:
    table = pd.read_parquet(rules / "rounds.parquet")
    krum = table["aggregation"] == "krum(f=1)"
    table.loc[krum & (table["seed"] == 0), "confidence"] = float("inf")
    table = table[~(krum & (table["seed"] == 1) & (table["target.draw"] == 1) & (table["round"] > 1))]
    table.to_parquet(rules / "rounds.parquet")
    found = compare(collect([rules]), at=At.parse("3"))
    ours = found.groups[1].metrics["confidence"]
    assert (found.groups[1].runs, ours.runs, ours.seeds, ours.targets) == (4, 1, 1, 1)
    assert ours.interval == ranged(0.36, 0.36, 0.36, seeds=1)
    left_out, ends = found.remarks
    assert left_out == "3 of the runs have no finite confidence (round 3) and are left out of it"
    assert ends.startswith("runs end after 1 to 3 rounds")
    assert found.flags[0].startswith("one seed (krum(f=1))")


def test_a_group_without_any_number_has_no_interval(rules: Path) -> None:
    table = pd.read_parquet(rules / "rounds.parquet")
    table["malicious_accuracy"] = table["confidence"].where(table["aggregation"] == "mean")
    table.to_parquet(rules / "rounds.parquet")
    found = compare(collect([rules]), metrics=["malicious_accuracy"])
    nothing = found.groups[1].metrics["malicious_accuracy"]
    assert (nothing.runs, nothing.interval) == (0, None)
    assert np.isnan(nothing.mean)
    assert np.isnan(nothing.curve.value).all()


def test_rounds_that_some_groups_lack(tmp_path: Path) -> None:
    both = [sweep(tmp_path / name, {"aggregation": [name]}, rounds=rounds) for name, rounds in (("a", 2), ("b", 4))]
    found = compare(collect(both), at=At.parse("3"))
    assert [group.metrics["confidence"].runs for group in found.groups] == [0, 4]
    with pytest.raises(ConfigError, match="no run has round 5; there are rounds 1 to 4"):
        compare(collect(both), at=At.parse("4,5"))


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)

    def measure(_: Mapping[str, Any]) -> dict[str, Any]:
        return {"confidence": generator.uniform()}

    path = sweep(tmp_path / "random", {"aggregation": ["mean"]}, measure, seeds=3, targets=3)
    first = compare(collect([path])).groups[0].metrics["confidence"].interval
    table = pd.read_parquet(path / "rounds.parquet")
    table.sample(frac=1, random_state=1).to_parquet(path / "rounds.parquet")
    assert compare(collect([path])).groups[0].metrics["confidence"].interval == first


def test_conditions_leave_one_option_to_compare(tmp_path: Path) -> None:
    path = sweep(tmp_path / "grid", {"aggregation": ["mean", "median"], "attack.boost": [2, 5]})
    found = compare(narrowed(collect([path]), ["attack.boost=5"]))
    assert (found.by, labels(found)) == (("aggregation",), ["mean", "median"])


def test_a_truth_that_does_not_apply_everywhere(tmp_path: Path) -> None:
    path = sweep(tmp_path / "weights", {"attack.weights_only": [None, True, False]})
    table = pd.read_parquet(path / "rounds.parquet").astype({"attack.weights_only": "boolean"})
    table.to_parquet(path / "rounds.parquet")
    collection = collect([path])
    assert labels(compare(collection)) == [f"attack.weights_only={value}" for value in ("false", "true", "–")]
    assert set(narrowed(collection, ["attack.weights_only=–"]).table["cell"]) < set(table["cell"])


def test_a_run_that_goes_by_two_names_counts_once_in_a_group(tmp_path: Path) -> None:
    path = sweep(tmp_path / "panels", {"name": ["fig1", "fig3"]})
    table = pd.read_parquet(path / "rounds.parquet")
    table["cell"] = table.groupby(["seed", "target.draw"])["cell"].transform("first")
    table.to_parquet(path / "rounds.parquet")
    assert labels(compare(collect([path]), ["name"])) == ["fig1", "fig3"]
    for group in compare(collect([path]), ["seed"]).groups:
        assert (group.runs, group.metrics["confidence"].runs) == (2, 2)


def in_window(row: Mapping[str, Any]) -> dict[str, Any]:
    """The attack is in rounds 2 and 3 of 4; beside it a control that is the round's number."""
    confidence = [0.0, 0.5, 0.7, 0.9][row["round"] - 1]
    return {"confidence": confidence, "control_confidence": row["round"], "window": row["round"] in {2, 3}}


@pytest.mark.parametrize(
    ("at", "ours", "control"),
    [("last", 0.7, 3), ("best", 0.7, 3), ("worst", 0.5, 2), ("mean", 0.6, 2.5), ("median", 0.6, 2.5), ("4", 0.9, 4)],
)
def test_figures_are_of_the_rounds_of_the_window_unless_a_round_is_named(
    tmp_path: Path, at: str, ours: float, control: float
) -> None:
    found = compare(collect([sweep(tmp_path / "s", {"attack.until": [4]}, in_window, rounds=4)]), at=At.parse(at))
    (group,) = found.groups
    for measured, expected in ((group.metrics["confidence"], ours), (group.controls["confidence"], control)):
        assert measured.interval is not None
        assert measured.interval.value == pytest.approx(expected)
    np.testing.assert_allclose(group.metrics["confidence"].curve.value, [0, 0.5, 0.7, 0.9])
    told = [remark for remark in found.remarks if "window" in remark]
    assert len(told) == (at != "4")


def test_of_runs_whose_window_was_not_reached_or_is_not_known_all_rounds_count(tmp_path: Path) -> None:
    late = sweep(tmp_path / "late", {"attack.delay": [9]}, lambda row: {**by_seed(row), "window": False})
    old = sweep(tmp_path / "old", {"attack.delay": [1]}, by_seed)
    for group in compare(collect([late, old])).groups:
        assert group.metrics["confidence"].interval == ranged(0.5, 0.0, 1.0)


def by_seed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"confidence": float(row["seed"])}


def test_a_run_that_ends_without_a_finite_loss_is_left_out_of_it(tmp_path: Path) -> None:
    def diverging(row: Mapping[str, Any]) -> dict[str, Any]:
        return {"loss": float("inf") if (row["seed"], row["round"]) == (1, 3) else 2.0}

    found = compare(collect([sweep(tmp_path / "s", {"aggregation": ["mean"]}, diverging)]), metrics=["loss"])
    assert found.groups[0].metrics["loss"].runs == 2
    assert "2 of the runs have no finite loss (last round) and are left out of it" in found.remarks


def test_the_runs_red_flags_are_counted_but_for_those_that_ask_for_repetition(rules: Path) -> None:
    collection = collect([rules])
    flags = {cell: ["one seed: repeat it"] for cell in collection.table["cell"]}
    flags[next(iter(flags))] = ["no control", "one seed: repeat it"]
    found = compare(replace(collection, flags=flags))
    assert found.flags == ("no control (1 of 8 runs; mean: 1 of 4)", FEW_SEEDS)


def paired(row: Mapping[str, Any]) -> dict[str, Any]:
    """What seed and target do is far more than what the rule does: 0.05 · round, and 0.01 · target more."""
    target = row["target.draw"]
    more = {"mean": 0.0, "median": 0.05 * row["round"] + 0.01 * target}[row["aggregation"]]
    common = 10.0 * row["seed"] + 3.0 * target
    return {"confidence": common + more, "control_confidence": common - 1.0, "loss": -more}


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return sweep(tmp_path / "pairs", {"aggregation": ["mean", "median"]}, paired)


def test_differences_are_in_pairs_of_the_same_seed_and_target(pairs: Path) -> None:
    found = compare(collect([pairs]), against="mean")
    assert labels(found) == ["median"]
    ours = found.groups[0].metrics["confidence"]
    assert (ours.runs, ours.seeds, ours.targets) == (4, 2, 4)
    assert ours.interval == ranged(0.155, 0.155, 0.155)  # 0.15 and 0.16 of the targets of either seed
    np.testing.assert_allclose(ours.curve.value, [0.055, 0.105, 0.155])
    np.testing.assert_allclose(ours.curve.seeds, [[0.055] * 2, [0.105] * 2, [0.155] * 2])
    assert not found.groups[0].controls
    assert found.title("confidence") == "confidence, last round, less mean"
    assert found.remarks == ("differences from mean, in pairs of runs that are alike in all else",)
    (back,) = compare(collect([pairs]), against="median").groups
    assert back.metrics["confidence"].interval == ranged(-0.155, -0.155, -0.155)


def test_rounds_become_a_number_before_the_difference_is_taken(tmp_path: Path) -> None:
    def crossing(row: Mapping[str, Any]) -> dict[str, Any]:
        up = {"mean": [1.0, 5.0, 2.0], "median": [6.0, 2.0, 3.0]}[row["aggregation"]]
        return {"confidence": up[row["round"] - 1]}

    path = sweep(tmp_path / "crossing", {"aggregation": ["mean", "median"]}, crossing)
    for text, first, difference in (("best", 1, 1.0), ("worst", 1, 1.0), ("best", 2, -2.0), ("mean", 1, 1.0)):
        (group,) = compare(collect([path]), at=At.parse(text, first), against="mean").groups
        assert group.metrics["confidence"].interval == ranged(difference, difference, difference)


def test_a_run_without_its_counterpart_is_left_out_and_told(pairs: Path) -> None:
    table = pd.read_parquet(pairs / "rounds.parquet")
    table = table[~((table["aggregation"] == "mean") & (table["target_index"] == "100"))]
    table.to_parquet(pairs / "rounds.parquet")
    found = compare(collect([pairs]), against="mean")
    ours = found.groups[0].metrics["confidence"]
    assert (ours.runs, ours.seeds, ours.targets) == (3, 2, 3)
    assert ours.interval is not None
    assert ours.interval.value == pytest.approx((0.155 + 0.16) / 2)  # of two pairs of a seed, and of one
    assert found.remarks[1] == (
        "1 of the runs have no finite confidence (last round), or no counterpart in mean, and are left out of it"
    )


def test_differences_from_the_benign_twins(pairs: Path) -> None:
    found = compare(collect([pairs]), against="control")
    assert labels(found) == ["mean", "median"]
    for group, more in zip(found.groups, (0.0, 0.155), strict=True):
        interval = group.metrics["confidence"].interval
        assert interval is not None
        assert interval.value == pytest.approx(1 + more)
    assert found.title("confidence").endswith("less the benign twin")
    with pytest.raises(ConfigError, match="--against control: these runs have no benign twin with loss"):
        compare(collect([pairs]), metrics=["loss"], against="control")


def test_a_metric_that_twins_lack_is_left_out_with_a_note(pairs: Path) -> None:
    found = compare(collect([pairs]), metrics=["confidence", "loss"], against="control")
    assert found.metrics == ["confidence"]
    assert "loss has no benign twin" in found.remarks


def test_placebos_are_measured_where_they_are_known(tmp_path: Path) -> None:
    found = compare(collect([sweep(tmp_path / "both", {"aggregation": ["mean", "median"]}, beside_both)]))
    assert not found.groups[0].placebos
    median = found.groups[1].placebos["confidence"]
    assert median.interval == ranged(0.06, 0.06, 0.06, seeds=2)
    np.testing.assert_allclose(median.curve.value, [0.02, 0.04, 0.06])
    assert [group.beside("placebo") for group in found.groups] == [group.placebos for group in found.groups]
    assert [group.beside("control") for group in found.groups] == [group.controls for group in found.groups]


def test_differences_from_the_placebos(tmp_path: Path, pairs: Path) -> None:
    both = sweep(tmp_path / "both", {"aggregation": ["mean", "median"]}, beside_both)
    found = compare(collect([both]), against="placebo")
    mean, median = (group.metrics["confidence"].interval for group in found.groups)
    assert mean is None
    assert median == ranged(0.245, 0.24, 0.25, seeds=2)
    assert found.title("confidence").endswith("less the placebo")
    assert not found.groups[1].placebos
    assert "4 of the runs have no finite confidence (last round), or no counterpart in the placebo, and" in " ".join(
        found.remarks
    )
    with pytest.raises(ConfigError, match="--against placebo: these runs have no placebo with confidence"):
        compare(collect([pairs]), against="placebo")


def test_a_group_is_known_by_its_label_and_by_its_values(tmp_path: Path) -> None:
    path = sweep(tmp_path / "boosts", {"attack.boost": [2.0, 5.0], "aggregation": ["mean", "median"]})
    fields = ["attack.boost", "aggregation"]
    for against in ("attack.boost=5, mean", "5, mean", "attack.boost=5, aggregation=mean"):
        found = compare(collect([path]), fields, against=against)
        assert found.against == "attack.boost=5, mean"
        assert [group.values for group in found.groups] == [(2, "mean"), (2, "median"), (5, "median")]
    with pytest.raises(ConfigError, match=r"5, maen: no such group; there are attack.boost=2, mean; .*; control"):
        compare(collect([path]), fields, against="5, maen")
    for against in ("5", "5.0", "attack.boost=5.0"):
        assert compare(narrowed(collect([path]), ["aggregation=mean"]), against=against).against == "attack.boost=5"
    one = narrowed(collect([path]), ["attack.boost=5", "aggregation=mean"])
    with pytest.raises(ConfigError, match="--against 5, mean: there is no other group to compare with it"):
        compare(one, fields, against="5, mean")


def boosted(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same by both rules, but far from it by boosting factor and seed; the twin has 0.1 less."""
    confidence = row["attack.boost"] / 10 + row["seed"] + 0.01 * row["round"]
    return {"confidence": confidence, "control_confidence": confidence - 0.1}


@pytest.fixture
def pooled(tmp_path: Path) -> Path:
    return sweep(tmp_path / "pooled", {"aggregation": ["mean", "median"], "attack.boost": [1, 5]}, boosted)


def without(path: Path, rule: str, boost: int, columns: list[str] | None = None) -> Path:
    """The sweep without some runs, or without their values in some columns."""
    table = pd.read_parquet(path / "rounds.parquet")
    gone = (table["aggregation"] == rule) & (table["attack.boost"] == boost)
    if columns is None:
        table = table[~gone]
    else:
        table.loc[gone, columns] = np.nan
    table.to_parquet(path / "rounds.parquet")
    return path


def difference(path: Path, group: int = 0, **options: Any) -> tuple[int, float]:
    """How many runs have a difference, and their mean."""
    found = compare(collect([path]), ["aggregation"], **options).groups[group].metrics["confidence"]
    assert found.interval is not None
    assert found.interval.range == (pytest.approx(found.interval.value),) * 2
    return found.runs, found.interval.value


@pytest.mark.parametrize("lacks", [["control_confidence"], ["confidence"]])
def test_each_run_is_compared_with_its_own_twin(pooled: Path, lacks: list[str]) -> None:
    assert difference(without(pooled, "mean", 5, lacks), against="control") == (4, pytest.approx(0.1))


@pytest.mark.parametrize("lacks", [None, ["confidence"]])
def test_a_pair_has_the_same_values_of_what_is_pooled(pooled: Path, lacks: list[str] | None) -> None:
    assert difference(without(pooled, "mean", 5, lacks), against="mean") == (4, pytest.approx(0))


def test_a_baseline_run_that_diverged_takes_its_pair_along_and_no_other(pooled: Path) -> None:
    table = pd.read_parquet(pooled / "rounds.parquet")
    table.loc[(table["aggregation"] == "mean") & (table["attack.boost"] == 5), "confidence"] = np.inf
    table.to_parquet(pooled / "rounds.parquet")
    assert difference(pooled, against="mean") == (4, pytest.approx(0))


def test_baseline_runs_without_a_counterpart_are_told(pooled: Path) -> None:
    found = compare(collect([without(pooled, "median", 1)]), ["aggregation"], against="mean")
    assert "4 of the runs of mean have no counterpart in one of the other groups" in found.remarks


def test_what_differs_between_groups_alone_makes_no_pair_impossible(tmp_path: Path) -> None:
    path = sweep(tmp_path / "panels", {"name": ["fig1", "fig3"]}, paired_by_name)
    table = pd.read_parquet(path / "rounds.parquet")
    table["attack.boost"] = table["name"].map({"fig1": 2, "fig3": 5})
    table.to_parquet(path / "rounds.parquet")
    (group,) = compare(collect([path]), ["name"], against="fig1").groups
    assert group.metrics["confidence"].interval == ranged(0.5, 0.5, 0.5)


def paired_by_name(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"confidence": row["seed"] + (0.5 if row["name"] == "fig3" else 0.0)}


def test_options_of_what_is_compared_make_no_pair_impossible(tmp_path: Path) -> None:
    """An attack has a boosting factor, another one has none."""
    path = sweep(tmp_path / "attacks", {"attack": ["a", "b"], "attack.boost": [1.0, 5.0]}, boosted)
    table = pd.read_parquet(path / "rounds.parquet")
    table = table[(table["attack"] == "a") | (table["attack.boost"] == 1)]
    table.loc[table["attack"] == "b", "attack.boost"] = np.nan
    table.to_parquet(path / "rounds.parquet")
    (group,) = compare(collect([path]), ["attack"], against="b").groups
    found = group.metrics["confidence"]
    assert (found.runs, found.targets) == (8, 4)
    assert found.interval == ranged(0.2, 0.2, 0.2)


def test_groups_without_any_pair_are_refused(pooled: Path) -> None:
    for field in ("seed", "target.draw"):
        with pytest.raises(ConfigError, match=r"--against .*=0: no other group has a run of the same seed, target"):
            compare(collect([pooled]), [field], against="0")


@pytest.mark.parametrize(("at", "expected"), [("mean", 2.5), ("worst", 2.0), ("best", 3.0), ("last", 3.0), ("1", 1.0)])
def test_both_sides_are_judged_by_the_rounds_of_both_windows(tmp_path: Path, at: str, expected: float) -> None:
    """Without attack all rounds are in the window, and with it rounds 2 and 3."""

    def measure(row: Mapping[str, Any]) -> dict[str, Any]:
        attacked, round_ = row["attack"] == "a", row["round"]
        return {"confidence": (11.0 if attacked else 10.0) * round_, "window": not attacked or round_ in {2, 3}}

    path = sweep(tmp_path / "windows", {"attack": ["none", "a"]}, measure, rounds=4)
    for against, sign in (("none", 1), ("a", -1)):
        (group,) = compare(collect([path]), at=At.parse(at), against=against).groups
        interval = group.metrics["confidence"].interval
        assert interval is not None
        assert interval.value == pytest.approx(sign * expected)


def test_runs_of_different_lengths_are_compared_in_the_rounds_of_both(tmp_path: Path) -> None:
    paths = [
        sweep(tmp_path / name, {"aggregation": [name]}, by_seed_and_round, rounds=rounds)
        for name, rounds in (("a", 2), ("b", 4))
    ]
    for against in ("a", "b"):
        found = compare(collect(paths), ["aggregation"], against=against)
        assert found.groups[0].metrics["confidence"].interval == ranged(0, 0, 0)
        assert "runs end after 2 to 4 rounds; differences are of rounds that both have" in found.remarks


def by_seed_and_round(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"confidence": float(row["seed"] + row["round"])}


TARGETS_DIFFER = "runs of the same seed and draw have different targets, so groups may differ by these, too"


def test_different_targets_of_a_seed_and_draw_are_told(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", {"aggregation": ["mean", "median"], "attack.boost": [2, 5]})
    table = pd.read_parquet(path / "rounds.parquet")
    table.loc[table["attack.boost"] == 2, "target_index"] += "7"
    table.to_parquet(path / "rounds.parquet")
    assert TARGETS_DIFFER in compare(collect([path]), ["aggregation"]).remarks
    assert not compare(narrowed(collect([path]), ["attack.boost=5"])).remarks


@pytest.mark.parametrize("single", [True, False])
def test_single_runs_share_their_draws_and_sweeps_do_not(rules: Path, single: bool) -> None:
    """In a table of two paths, of which each has one run, or two."""
    collection = collect([rules])
    table = collection.table[(collection.table["seed"] == 0) & (collection.table["target.draw"] == 0)]
    first = table["aggregation"] == "mean"
    two = table.assign(path=np.where(first, "a", "b"), target_index=np.where(first, "1", "2"))
    more = two.assign(seed=1, cell=two["cell"] + "again")
    table = two if single else pd.concat([two, more], ignore_index=True)
    assert (TARGETS_DIFFER in compare(replace(collection, table=table)).remarks) == single


def test_few_seeds_are_those_that_no_interval_of_a_median_covers() -> None:
    assert seeds_needed(COVERAGE) == FEW


def test_of_rates_alone_no_range_is_shown_so_that_the_flag_does_not_speak_of_one(rules: Path) -> None:
    (flag,) = compare(collect([rules]), metrics=["success"]).flags
    assert flag == f"fewer than 5 seeds: {FEW_MEANS}"
    assert compare(collect([rules]), metrics=["success", "confidence"]).flags == (FEW_SEEDS,)
