"""The report of a sweep begins with what was tested, and says of each group what came of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers import made_sweeps
from reading import Reader
from small import LEARNT, UNLEARNT, lopsided

import fedlens
from fedlens.analysis.collect import collect
from fedlens.analysis.intervals import rate
from fedlens.report.html.outcomes import NO_ATTACK, outcomes_of
from fedlens.report.html.page import rendered
from fedlens.report.html.swept import sweep_page
from fedlens.report.html.tested import sides_tested

pytestmark = pytest.mark.xdist_group("html")


def measured(row: dict[str, Any]) -> dict[str, Any]:
    """Under the mean seeds 0 and 1 are met, under the median all, which counts for seed 0 alone; 10 points are lost."""
    mean = row["aggregation"] == "mean"
    met = row["round"] == 3 and (row["seed"] < 2 or not mean)
    values = {"confidence": 0.5, "success": met, "counts": met and (mean or row["seed"] == 0), "acted": True}
    return values | {"accuracy": 0.7 + 0.01 * row["seed"], "control_accuracy": 0.8 + 0.01 * row["seed"], "window": True}


def test_successes_their_rate_and_the_cost_by_hand(tmp_path: Path) -> None:
    path = made_sweeps.sweep(tmp_path / "rules", {"aggregation": ["mean", "median"]}, measured, seeds=5, targets=1)
    found = outcomes_of(collect([path]), ("aggregation",))
    assert found.head == [
        *("aggregation", "attack succeeded", "rate", "accuracy without attack, %", "with attack, %"),
        *("difference in points", "red flags"),
    ]
    low, high = rate([1, 1, 0, 0, 0], range(5)).low, rate([1, 1, 0, 0, 0], range(5)).high
    assert found.rows[0] == [
        *("mean", "2 of 5", f"0.40 [{low:.2f}, {high:.2f}]", "82.0 [80.0, 84.0]", "72.0 [70.0, 74.0]"),
        *("−10.0 [−10.0, −10.0]", "0"),
    ]
    assert found.rows[1][1] == "1 of 5"  # which are its own, of five


def test_the_answer_is_how_often_the_attack_succeeded(tmp_path: Path) -> None:
    path = made_sweeps.sweep(tmp_path / "rules", {"aggregation": ["mean", "median"]}, measured, seeds=5, targets=1)
    collection = collect([path])
    table = collection.table
    one = replace(collection, table=table[table["aggregation"] == "median"])
    assert outcomes_of(one, ()).answer == (
        "The attack succeeded with 1 of 5 seeds; 95 % interval of the rate 1 % to 70 %. "
        "5 seeds do not show that the rule holds."
    )
    assert outcomes_of(collection, ("aggregation",)).answer == (
        "The attack succeeded (95 % interval of the rate in brackets): mean: with 2 of 5 seeds (7 % to 83 %); "
        "median: with 1 of 5 seeds (1 % to 70 %). 5 seeds do not show that the rule holds."
    )
    assert sweep_page([path])["outcome"].startswith("The attack succeeded (95 %")


def test_the_answer_names_all_groups_that_share_a_rate(tmp_path: Path) -> None:
    def measure(row: dict[str, Any]) -> dict[str, Any]:
        kept = row["attack.boost"] == 7
        return {"asr": 0.25 if kept else 0.75, "acted": True, "counts": not kept}

    path = made_sweeps.sweep(tmp_path / "one", {"attack.boost": range(1, 8)}, measure, seeds=1, targets=1)
    outcome = sweep_page([path])["outcome"]
    others = " and ".join(f"attack.boost={boost}" for boost in range(1, 7))
    assert outcome.startswith(
        f"The attack succeeded (95 % interval of the rate in brackets): {others}: with 1 of 1 seed (5 % to 100 %); "
        "attack.boost=7: with 0 of 1 seed (0 % to 95 %)."
    )
    assert outcome.endswith(f"Attack success rate at the end: from 0.250 (attack.boost=7) to 0.750 ({others}).")
    alike = made_sweeps.sweep(
        tmp_path / "two", {"attack.boost": range(7)}, lambda _: {"acted": True, "counts": True}, targets=1
    )
    answer = outcomes_of(collect([alike]), ("attack.boost",)).answer
    assert " with 2 of 2 seeds (20 % to 100 %) in each of 7 groups." in answer


def test_of_many_rates_the_highest_and_the_lowest_are_named(tmp_path: Path) -> None:
    def measure(row: dict[str, Any]) -> dict[str, Any]:
        return {"confidence": 0.1 * row["attack.boost"], "acted": True, "counts": row["seed"] < row["attack.boost"]}

    path = made_sweeps.sweep(tmp_path / "one", {"attack.boost": range(8)}, measure, seeds=6, targets=1)
    outcome = sweep_page([path])["outcome"]
    low, high = rate([1] * 6, range(6)).low, rate([0] * 6, range(6)).high
    assert (
        f" most often with 6 of 6 seeds ({100 * low:.0f} % to 100 %), for attack.boost=6 and attack.boost=7; "
        f"least often with 0 of 6 seeds (0 % to {100 * high:.0f} %), for attack.boost=0." in outcome
    )
    assert "at the end, median over seeds: from 0.000 (attack.boost=0) to 0.700 (attack.boost=7)." in outcome


@pytest.mark.parametrize(
    ("met", "seeds", "targets", "words"),
    [
        (True, 3, 1, "with 3 of 3 seeds; {} 31 % to 100 %. 3 seeds do not show that the attack always succeeds."),
        (False, 20, 1, "with 0 of 20 seeds; {} 0 % to 20 %."),
        (True, 20, 2, "at a rate of 100 % over 20 seeds; {} 80 % to 100 %."),
    ],
)
def test_what_the_answer_leaves_open(tmp_path: Path, met: bool, seeds: int, targets: int, words: str) -> None:
    def measure(_: Any) -> dict[str, Any]:
        return {"confidence": 0.5, "acted": True, "counts": met}

    path = made_sweeps.sweep(tmp_path / "one", {"aggregation": ["mean"]}, measure, seeds, targets)
    expected = f"The attack succeeded {words.format('95 % interval of the rate')}"
    assert outcomes_of(collect([path]), ()).answer == expected


def test_without_attack_there_is_no_answer_and_few_seeds_are_a_red_flag(tmp_path: Path) -> None:
    honest = {"accuracy": 0.9, "acted": False, "success": False}
    path = made_sweeps.sweep(tmp_path / "honest", {"aggregation": ["mean"]}, lambda _: honest, seeds=3, targets=1)
    found = outcomes_of(collect([path]), ())
    assert found.answer == "No attack."
    assert found.rows[0][-1] == "1"
    assert found.flags[0][1][0].startswith("fewer than 5 seeds: results may differ with other seeds")


def test_where_it_is_not_known_whether_they_count_those_that_are_met_are_successes(tmp_path: Path) -> None:
    path = made_sweeps.sweep(tmp_path / "rules", {"aggregation": ["median"]}, measured, seeds=5, targets=1)
    table = pd.read_parquet(path / "rounds.parquet")
    for changed in (table.assign(counts=None), table.drop(columns="counts")):
        changed.to_parquet(path / "rounds.parquet")
        assert outcomes_of(collect([path]), ()).rows[0][0] == "5 of 5"


def test_rounds_after_the_window_do_not_matter(tmp_path: Path) -> None:
    def windowed(row: dict[str, Any]) -> dict[str, Any]:
        return measured(row) | {"window": row["round"] < 3, "counts": row["round"] == 2, "success": row["round"] == 2}

    path = made_sweeps.sweep(tmp_path / "rules", {"aggregation": ["mean"]}, windowed, seeds=1, targets=2)
    assert outcomes_of(collect([path]), ()).rows[0][0] == "2 of 2"


def test_a_group_without_attack_has_an_accuracy_alone(tmp_path: Path) -> None:
    def honest(row: dict[str, Any]) -> dict[str, Any]:
        attacked = row["attack"] != "none"
        return {"accuracy": 0.9, "control_accuracy": 0.8 if attacked else None, "acted": attacked, "success": False}

    path = made_sweeps.sweep(tmp_path / "attacks", {"attack": ["none", "boosting"]}, honest, seeds=1, targets=1)
    none, boosting = outcomes_of(collect([path]), ("attack",)).rows
    assert none == ["none", NO_ATTACK, "–", "90.0", "–", "–", "1"]
    assert boosting == ["boosting", "0 of 1", "0.00 [0.00, 0.95]", "80.0", "90.0", "+10.0", "2"]


def test_a_sweep_without_twins_or_targets_has_dashes(tmp_path: Path) -> None:
    path = made_sweeps.sweep(tmp_path / "rules", {"aggregation": ["mean"]}, lambda _: {"accuracy": 0.5}, targets=1)
    assert outcomes_of(collect([path]), ()).rows == [["–", "–", "–", "50.0, each of 2 seeds", "–", "1"]]  # few seeds


def test_what_was_tested_is_said_in_words() -> None:
    found = dict(sides_tested([lopsided(), lopsided(aggregation="mean"), lopsided(attack=None), lopsided(seed=1)]))
    assert found == {
        "data": "digits, dealt out by dirichlet(alpha=0.1)",
        "model": "census-mlp",
        "clients": "5 clients, 3 rounds of 6 epochs by adam",
        "attack": "explicit-boosting(boost=2, step_cap=105) by client 4; or none",
        "target": "one test sample of class 0, to be taken for 2",
        "rule": "krum(f=1); or mean",
        "checks": "none",
    }
    others = dict(sides_tested([lopsided(target={"index": [1, 2]}, clients=8, fraction=0.75, checks=["distances"])]))
    assert others["target"] == "test samples 1, 2, to be misclassified"
    assert others["clients"] == "8 clients, 6 of them chosen in each round, 3 rounds of 6 epochs by adam"
    assert others["checks"] == "distances"
    assert sides_tested([]) == []


def test_the_page_begins_with_it_and_counts_what_cannot_be_judged(tmp_path: Path) -> None:
    grid = {
        "experiment": lopsided().describe(),
        "product": {"target.source": [UNLEARNT.source, LEARNT.source], "seed": [0, 2]},
    }
    sweep = fedlens.sweep(grid, tmp_path / "sources", jobs=1)
    assert [cell.values for cell, _ in sweep.unjudged] == [
        {"target.source": 0, "seed": 0},
        {"target.source": 1, "seed": 2},
    ]
    page = sweep_page([tmp_path / "sources"])
    text = Reader(rendered(page)).text
    begun = [
        text.index(words) for words in ("2 runs over", "digits, dealt out", "2 cells cannot be judged", "Each group")
    ]
    assert begun == sorted(begun)
    assert page["groups"].head[-2:] == ["not judged", "red flags"]
    assert [row[-2] for row in page["groups"].rows] == ["1 of 2", "1 of 2"]
    assert [label for label, _ in page["group_flags"]] == ["target.source=0", "target.source=1"]
    assert "Red flag: 1 of 2 could not be judged (target.source=0): without attack" in text
    assert "Cells that cannot be judged" in text
    assert "take any samples, right or not: -o target.select=random" in text
