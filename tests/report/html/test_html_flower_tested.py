"""The page of a Flower app that was put to the test, of a hand-made ``result.json``."""

import json
from pathlib import Path
from typing import Any

import pytest
from reading import Reader

from fedlens.core.errors import DamagedRunError
from fedlens.report.flower_tested import course, read_flower_tested
from fedlens.report.html.flower_tested import rounds_chart
from fedlens.report.html.page import write_report

EVIL = "<script>alert(1)</script>"


def trial(attack: str | None, seed: int, *reached: Any, **changes: Any) -> dict[str, Any]:
    rounds = [{"round": at, "confidence": value, "accuracy": 0.9} for at, value in enumerate(reached, start=1)]
    success = bool(reached) and reached[-1] == 0.9
    return {"defence": "own", "attack": attack, "seed": seed, "success": success, "rounds": rounds} | changes


def written(folder: Path, **changes: Any) -> Path:
    row = {"defence": "own", "attack": EVIL, "confidence": "0.800", "successes [95 %]": "1/2 [0.09, 0.91]"}
    found = {
        "app": "mine",
        "sentence": "mine, whose strategy is FedAvg: 1 of 10 nodes attack.",
        "nodes": 10,
        "attackers": 1,
        "seeds": [0, 1],
        "table": [row],
        "flags": ["Flower's FedAvg weighs by claims."],
        "trials": [trial(None, 0, 0.1, 0.2), trial(EVIL, 0, 0.5, 0.9), trial(EVIL, 1, 0.3, 0.7)],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(found | changes))
    return folder


def test_the_page_has_the_table_the_flags_and_each_round(tmp_path: Path) -> None:
    write_report([written(tmp_path / "mine")], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert EVIL not in page
    text = Reader(page).text
    for words in ("mine, whose strategy is FedAvg", "1/2 [0.09, 0.91]", "weighs by claims", "fedlens audit"):
        assert words in text
    assert "Ended before their time" not in text


def test_means_over_seeds_by_hand(tmp_path: Path) -> None:
    tested = read_flower_tested(written(tmp_path))
    found = course(tested.of("own", EVIL), tested.measure)
    assert (tested.measure, found.rounds) == ("confidence", [1, 2])
    assert found.means == pytest.approx([0.4, 0.8])
    chart = rounds_chart(tested, "own", 1)
    assert chart.columns["reached"] == [0.1, 0.2, 0.5, 0.9, 0.3, 0.7]
    assert "no attack 0.20" in chart.panels[0].says
    assert len(chart.keys()) == 2


def test_federations_that_ended_early_are_told_and_counted_as_far_as_they_came(tmp_path: Path) -> None:
    trials = [trial(None, 0, 0.1), trial("pgd", 0, fault="it broke", success=None), trial("pgd", 1, "NaN")]
    folder = written(tmp_path / "mine", trials=trials)
    write_report([folder], tmp_path / "report.html")
    assert "it broke" in Reader((tmp_path / "report.html").read_text("utf-8")).text
    assert course(read_flower_tested(folder).of("own", "pgd"), "confidence").rounds == []


@pytest.mark.parametrize(("measure", "values"), [("rate", {"rate": 0.4}), ("accuracy", {})])
def test_where_no_class_is_wanted_something_else_is_shown(tmp_path: Path, measure: str, values: dict[str, Any]) -> None:
    rounds = [{"round": 1, "confidence": None, "accuracy": 0.5} | values]
    tested = read_flower_tested(written(tmp_path, trials=[trial("badnets", 0) | {"rounds": rounds}]))
    assert tested.measure == measure
    assert course(tested.trials, tested.measure).means == [0.4 if values else 0.5]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nodes": 0}, r"nodes: Input should be greater than 0"),
        ({"trials": []}, "trials: "),
        ({"trials": [trial("pgd", 0, 1.5)]}, r"trials\.0\.rounds\.0\.confidence"),
    ],
)
def test_a_damaged_result_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DamagedRunError, match=rf"result\.json: cannot be read \({words}.*fedlens flower test"):
        read_flower_tested(written(tmp_path, **changes))


def test_so_is_what_is_no_json(tmp_path: Path) -> None:
    (written(tmp_path) / "result.json").write_text("{")
    with pytest.raises(DamagedRunError, match=r"result\.json: cannot be read .*repeat the command"):
        read_flower_tested(tmp_path)
