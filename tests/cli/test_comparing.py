import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.calling import called
from helpers.made_sweeps import sweep
from small import small

import fedlens


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works beside a sweep over rules and boosting factors, on a wide terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")
    sweep(Path("grid"), {"aggregation": ["mean", "krum(f=1)"], "attack.boost": [2, 5]})


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `fedlens compare ...`."""
    return called(capsys, "compare", *arguments)


def test_a_table_and_nothing_written_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "grid", "--by", "aggregation,attack.boost")
    assert code == 0
    assert re.search(r"mean +5 +4 +2 +4 +0\.305 +0\.050 +0\.305, +range 0\.300 to 0\.310", out)
    assert out.count("Red flag") == 1
    few = "fewer than 5 seeds: results may differ with other seeds; too few for a 95 % interval, so the range is shown"
    assert f"Red flag: {few}" in out
    assert "median over seeds, of each seed's mean over its targets" in out
    assert "rate over seeds" not in out
    assert [path.name for path in Path().iterdir()] == ["grid"]


def test_figure_and_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "grid --where attack.boost=5 --metric attacker --metric confidence --at 1 --output new/figure.png"
    code, out, _ = call(capsys, *arguments.split(), "--csv", "other/numbers.csv")
    assert code == 0
    assert Path("new/figure.png").read_bytes().startswith(b"\x89PNG")
    numbers = pd.read_csv("other/numbers.csv")
    assert numbers["metric"].tolist() == ["attacker"] * 2 + ["confidence"] * 2
    assert numbers["mean"].tolist() == pytest.approx([1, 1, 0.105, 0.105])
    assert numbers["statistic"].tolist() == ["rate"] * 2 + ["median"] * 2
    assert numbers["seeds"].tolist() == [2] * 4
    assert numbers["low"].notna().tolist() == [True] * 2 + [False] * 2
    assert numbers["range_high"].tolist() == pytest.approx([1, 1, 0.11, 0.11])
    for word in (
        "rate over seeds, of each seed's share, with its 95 % interval",
        "attacker, round 1",
        "confidence, round 1",
        "Figure: new/figure.png",
        "Numbers: other/numbers.csv",
    ):
        assert word in out


def test_doubts_and_notes_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    sweep(Path("few"), {"aggregation": ["mean", "median"], "attack.boost": [1, 2]}, seeds=1, targets=1)
    code, out, _ = call(capsys, "few", "few", "--by", "aggregation")
    assert code == 0
    for words in (
        "Red flag: one seed",
        "Red flag: one target",
        "Note: 4 of the runs",
        "Note: means go over attack.boost",
    ):
        assert words in out


def test_runs_are_compared_with_a_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    attack = {"name": "explicit-boosting", "boost": 3, "step_cap": 5}
    run = fedlens.run(small(rounds=1, attack=attack), "mine", engine="serial")
    code, out, _ = call(capsys, "mine", "grid", "--by", "attack.boost", "--at", "1")
    assert code == 0
    assert re.findall(r"^ +([235]) ", out, flags=re.MULTILINE) == ["2", "3", "5"] * 2  # confidence and success
    assert f"{run.rounds['confidence'][0]:.3f}" in out


def test_accuracy_in_a_class_is_a_metric_as_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    run = fedlens.run(small(rounds=1, control=True), "mine", engine="serial")
    code, out, _ = call(capsys, "mine", "--metric", "accuracy.3")
    assert code == 0
    expected = run.classes[run.classes["class"] == "3"].iloc[0]
    assert re.search(
        rf"{expected['accuracy']:.3f} +{expected['control_accuracy']:.3f} +{expected['accuracy']:.3f}", out
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("grid", "by which of these shall the runs be compared? aggregation, attack.boost"),
        ("grid --by agregation", "did you mean aggregation?"),
        ("grid --by aggregation --metric confidnce", "did you mean confidence?"),
        ("grid --by aggregation --at first", "choose one of last, best"),
        ("grid --by aggregation --at 9", "there are rounds 1 to 3"),
        ("grid --where aggregation", "expected FIELD=VALUE"),
        ("grid --where attack.boost=7", "there are 2, 5"),
        ("grid --where agregation=mean", "did you mean aggregation?"),
        ("grid --by aggregation --output figure.gif", ".png, .svg, .pdf"),
        ("grid --by aggregation --csv /proc/nowhere/numbers.csv", "cannot write /proc/nowhere"),
        ("nowhere", "neither a run nor a sweep is there"),
    ],
)
def test_a_mistake_is_answered_in_a_line(capsys: pytest.CaptureFixture[str], arguments: str, words: str) -> None:
    code, _, err = call(capsys, *arguments.split())
    assert code == 2
    assert words in err
    assert len(err.splitlines()) == 1


def test_differences_from_a_group(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "grid --where attack.boost=5 --against krum(f=1) --at worst --from 2 --csv differences.csv"
    code, out, _ = call(capsys, *arguments.split())
    assert code == 0
    assert "confidence, worst round from round 2 on, less krum(f=1)" in out
    assert "Note: differences from krum(f=1), in pairs of runs that are alike in all else" in out
    assert pd.read_csv("differences.csv")[["aggregation", "less", "mean"]].to_numpy().tolist() == [
        ["mean", "krum(f=1)", 0]
    ]
    code, _, err = call(capsys, "grid", "--by", "aggregation", "--against", "bulyan")
    assert (code, "--against bulyan: no such group" in err) == (2, True)


def test_differences_of_a_backdoor_are_of_its_success_rate(capsys: pytest.CaptureFixture[str]) -> None:
    def planted(row: Mapping[str, Any]) -> dict[str, Any]:
        return {"asr": 0.75 if row["aggregation"] == "mean" else 0.25, "counts": True}

    sweep(Path("planted"), {"aggregation": ["mean", "median"]}, planted)
    code, out, err = call(capsys, "planted", "--by", "aggregation", "--against", "mean")
    assert code == 0, err
    assert "asr, last round, less mean" in out
    assert re.search(r"median +4 +2 +4 +-0\.500", out)
