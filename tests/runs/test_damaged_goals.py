"""Records and summaries of goals that somebody has made up: a clear error, never a traceback."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.calling import called
from small import small

import fedlens
from fedlens.core.errors import DamagedRunError
from fedlens.core.files import checksum
from fedlens.goals.target_samples import Target


@pytest.fixture(scope="module", params=["backdoor", "damage"])
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run for a goal, under a rule that makes a placebo useful."""
    folder = tmp_path_factory.mktemp("sound")
    backdoor = {"name": "backdoor", "trigger": {"name": "distributed", "size": 3}}
    goal: Any = backdoor if request.param == "backdoor" else "damage"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDLENS_CACHE", str(folder / "cache"))
        experiment = small(
            target=Target(), control=True, rounds=2, clients=5, goal=goal, aggregation="median",
            attack={"name": "explicit-boosting", "boost": 5},
        )  # fmt: skip
        fedlens.run(experiment, folder / "run", engine="serial")
    return folder / "run"


@pytest.fixture
def run(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "run"))


def changed(document: Any, place: str, value: Any) -> Any:
    """The document with another value in a dotted place, made where it is not there."""
    name, _, rest = place.partition(".")
    return document | {name: changed(document[name], rest, value) if rest else value}


def write_line(run: Path, record: Any) -> None:
    """Put a first record into the run, so that its checksum is right."""
    file = run / "rounds.jsonl"
    file.write_text("\n".join([json.dumps(record), *file.read_text().splitlines()[1:], ""]))
    summary = json.loads((run / "summary.json").read_text())
    summary["checksums"]["rounds.jsonl"] = checksum(file)
    (run / "summary.json").write_text(json.dumps(summary))


def refused(run: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What loading says of a run, and the commands too."""
    with pytest.raises(DamagedRunError) as caught:
        fedlens.load_run(run)
    for command in (["show"], ["report"], ["plot", "--kind", "metrics"]):
        code, _, err = called(capsys, command[0], run, *command[1:])
        assert (code, err.startswith("Error: ")) == (2, True), err
    return str(caught.value)


def test_sound_runs_are_read(run: Path) -> None:
    assert fedlens.load_run(run).records[0].goal_met is not None


def test_impossible_answers(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = json.loads((run / "rounds.jsonl").read_text().splitlines()[0])
    if "backdoor" not in first:
        record = changed(first, "backdoor", {"hits": 1, "count": 2, "probability": 0.5, "untriggered": 0, "effect": 0})
        write_line(run, record)
        assert "line 1: damaged (backdoor: the experiment's goal asks for none)" in refused(run, capsys)
        return
    count = first["backdoor"]["count"]
    for place, value, words in [
        ("backdoor.hits", count + 1, f"backdoor.hits: {count + 1}, but there are {count} inputs"),
        ("control.backdoor.hits", 999, f"control.backdoor.hits: 999, but there are {count} inputs"),
        ("placebo.backdoor.hits", 999, f"placebo.backdoor.hits: 999, but there are {count} inputs"),
        ("backdoor.untriggered", 1000, f"backdoor.untriggered: 1000, but there are {count} inputs"),
        ("backdoor.probability", 7, "backdoor.probability: input should be less than or equal to 1, not 7"),
        ("backdoor.effect", -3, "backdoor.effect: input should be greater than or equal to 0, not -3"),
        ("backdoor.parts", [1, 2], "backdoor.parts: 2, but the trigger is asked about in 4"),
        ("control.backdoor.parts", [], "control.backdoor.parts: 0, but the trigger is asked about in 4"),
        ("backdoor.parts", [1, 2, 3, 999], f"backdoor.parts.3: 999, but there are {count} inputs"),
        ("control.backdoor.count", 9999, f"control.backdoor.count: 9999, but the run's is {count}"),
        ("placebo.backdoor", None, "placebo.backdoor: missing"),
        ("backdoor", None, "backdoor: missing"),
    ]:
        write_line(run, changed(first, place, value))
        said = refused(run, capsys)
        assert said.startswith(f"{run / 'rounds.jsonl'}, line 1: damaged (")
        assert words in said


def test_verdicts_that_contradict_the_numbers(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = json.loads((run / "rounds.jsonl").read_text().splitlines()[0])
    met, absent = first["goal_met"], first["placebo"]["goal_met"]
    for place, value, words in [
        ("goal_met", not met, f"goal_met: {not met}, but by the numbers it is {met}"),
        ("placebo.goal_met", not absent, f"placebo.goal_met: {not absent}, but by the numbers it is {absent}"),
        ("control.goal_met", True, "control.goal_met: True, but there is nothing to judge by"),
        ("goal_met", None, "goal_met: missing"),
    ]:
        write_line(run, changed(first, place, value))
        assert f"line 1: damaged ({words.replace('True', 'true').replace('False', 'false')})" in refused(run, capsys)


def test_summaries_that_contradict_the_rounds(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = json.loads((run / "summary.json").read_text())
    goal = summary["goal"]
    wrong: list[tuple[str, Any]] = [
        ("goal.met", not goal["met"]),
        ("goal.counts", not goal["counts"]),
        ("goal.met_rounds", goal["met_rounds"] + 1),
        ("goal.accuracy_drop", goal["accuracy_drop"] + 0.5),
        ("goal", None),
    ]
    if goal.get("backdoor"):
        rate = goal["backdoor"]["rate"]
        wrong += [("goal.backdoor.rate", 1 - rate if rate != 0.5 else 0.1), ("control.backdoor.mean", 0.987)]
        wrong += [("goal.backdoor.parts", [0.1]), ("goal.backdoor.high", 7)]
    for place, value in wrong:
        (run / "summary.json").write_text(json.dumps(changed(summary, place, value)))
        assert f"summary.json: damaged ({place}: " in refused(run, capsys)
