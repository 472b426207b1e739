from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.made_sweeps import sweep

from fedlens.analysis.choosing import At, chosen_fields, narrowed, require_metrics
from fedlens.analysis.collect import Collection, collect
from fedlens.core.errors import ConfigError

ROUNDS = pd.DataFrame([[1.0, 5.0, 2.0, 8.0], [4.0, 3.0, 1.0, np.nan]], columns=[1, 2, 3, 4])


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("last", 8, 1),
        ("best", 8, 4),
        ("worst", 1, 1),
        ("mean", 4, 8 / 3),
        ("median", 3.5, 3),
        ("2", 5, 3),
        ("3,1", 1.5, 2.5),
    ],
)
def test_rounds_become_a_number(text: str, first: float, second: float) -> None:
    assert At.parse(text).of(ROUNDS, "confidence").tolist() == pytest.approx([first, second])


def test_of_a_loss_the_smallest_is_the_best() -> None:
    assert At.parse("best").of(ROUNDS, "malicious_loss").tolist() == [1, 1]
    assert At.parse("worst").of(ROUNDS, "loss").tolist() == [8, 4]


def test_a_run_that_lacks_a_round_has_no_number() -> None:
    for text in ("4", "1,4"):
        assert At.parse(text).of(ROUNDS, "confidence").isna().tolist() == [False, True]
    assert At.parse("7").of(ROUNDS, "confidence").isna().all()


@pytest.mark.parametrize(("text", "words"), [("last", "last round"), ("3", "round 3"), ("8,9,8", "rounds 8, 9")])
def test_it_is_told_in_words(text: str, words: str) -> None:
    assert str(At.parse(text)) == words


@pytest.mark.parametrize("text", ["first", "", "-1", "1,", "1.5"])
def test_an_unknown_at(text: str) -> None:
    with pytest.raises(ConfigError, match="choose one of last, best, worst, mean, median, or rounds"):
        At.parse(text)


@pytest.fixture
def grid(tmp_path: Path) -> Collection:
    fields = {
        "aggregation": ["mean", "krum(f=1)"],
        "attack.boost": [2.0, 5.0, None],
        "local.replacement": [True, False],
    }
    return collect([sweep(tmp_path / "grid", fields)])


def kept(grid: Collection, *where: str) -> set[tuple[str, float]]:
    table = narrowed(grid, where).table
    return set(zip(table["aggregation"], table["attack.boost"].fillna(-1), strict=True))


def test_only_runs_with_the_values_wanted(grid: Collection) -> None:
    assert kept(grid, "aggregation=mean", "attack.boost=5") == {("mean", 5)}
    assert kept(grid, "aggregation=krum(f=1)", "attack.boost=2", "attack.boost = 5.0") == {
        ("krum(f=1)", 2),
        ("krum(f=1)", 5),
    }
    assert kept(grid, "attack.boost=null", "aggregation=mean") == {("mean", -1)}
    assert set(narrowed(grid, ["local.replacement=true"]).table["local.replacement"]) == {True}
    assert narrowed(grid, []).table is grid.table


@pytest.mark.parametrize(
    "where",
    [
        *(
            "aggregation=krum(f=1)",
            "aggregation=krum",
            "aggregation={name: krum, f: 1}",
            "aggregation={f: 0x1, name: krum}",
        ),
        *("attack.boost=0x5", "attack.boost=5.", "attack.boost=0b101", "attack.boost=+5e0"),
        *("local.replacement=yes", "local.replacement=on", "local.replacement=True"),
    ],
)
def test_a_value_is_found_however_it_is_typed(grid: Collection, where: str) -> None:
    field, _, _ = where.partition("=")
    expected = {"aggregation": "krum(f=1)", "attack.boost": 5, "local.replacement": True}[field]
    assert set(narrowed(grid, [where]).table[field]) == {expected}


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (["attack.boost=7"], r"attack\.boost=7: no run has this; there are 2, 5, –"),
        (["attack.boost"], r"expected FIELD=VALUE"),
        (["=5"], r"expected FIELD=VALUE"),
        (["attack.boost="], r"expected FIELD=VALUE"),
    ],
)
def test_impossible_conditions(grid: Collection, where: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        narrowed(grid, where)


def test_no_run_has_both(tmp_path: Path) -> None:
    both = [sweep(tmp_path / "a", {"attack.boost": [1]}), sweep(tmp_path / "b", {"attack.boost": [2]})]
    with pytest.raises(ConfigError, match=r"no run has all of path=.*a, attack\.boost=2"):
        narrowed(collect(both), [f"path={both[0]}", "attack.boost=2"])


def test_what_varies_is_compared_if_it_is_one(grid: Collection, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--by: .*\? aggregation, attack\.boost, local\.replacement"):
        chosen_fields(grid, [])
    assert chosen_fields(grid, ["attack.boost"]) == ("attack.boost",)
    one = narrowed(grid, ["attack.boost=2", "local.replacement=true"])
    assert chosen_fields(one, []) == ("aggregation",)
    assert chosen_fields(collect([sweep(tmp_path / "none", {"aggregation": ["mean"]})]), []) == ()


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("confidnce", r"did you mean confidence\?"),
        ("attack_reason", "no such column of numbers"),
        ("round", "no such column of numbers"),
        ("seed", "no such column of numbers"),
        ("attack.boost", "no such column of numbers"),
        ("cell", "known: attacker, confidence, control_confidence"),
    ],
)
def test_metrics_are_columns_of_numbers(grid: Collection, metric: str, words: str) -> None:
    require_metrics(grid, ["confidence", "control_confidence", "attacker"])
    with pytest.raises(ConfigError, match=rf"--metric {metric}: .*{words}"):
        require_metrics(grid, [metric])


@pytest.mark.parametrize(
    ("text", "first", "second"), [("last", 8, 1), ("best", 8, 1), ("worst", 2, 1), ("mean", 5, 1), ("median", 5, 1)]
)
def test_from_a_round_on(text: str, first: float, second: float) -> None:
    assert At.parse(text, 3).of(ROUNDS, "confidence").tolist() == [first, second]
    assert At.parse(text, 4).of(ROUNDS, "confidence").isna().tolist() == [False, True]
    assert str(At.parse(text, 3)).endswith(" from round 3 on")


def test_rounds_that_are_named_begin_nowhere(grid: Collection) -> None:
    with pytest.raises(ConfigError, match="--from 3: goes with --at last, best, worst, mean, median"):
        At.parse("4,5", 3)
    At.parse("last", 3).require(grid)
    with pytest.raises(ConfigError, match="--from 4: no run has this round; there are rounds 1 to 3"):
        At.parse("last", 4).require(grid)
