"""``fedlens audit`` as it is called: what it refuses, before it measures anything, and its exit codes."""

import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.calling import called

from fedlens.experiment.experiment import Experiment
from fedlens.goals.backdoor import Backdoor
from fedlens.studies.audit import audit as auditing


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--goal", "fame"], "fame"),
        (["--attackers", "11"], "11"),
        (["--plan", "--rate", "0"], "rate: a number from 0.001 to below 1 is needed, not 0.0; e.g. rate=0.1"),
        (["--rate", "10"], "rate: a number from 0.001 to below 1 is needed, not 10.0; e.g. rate=0.1"),
    ],
)
def test_a_mistake_ends_with_2_and_leaves_nothing(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed, complaint = called(capsys, "audit", "quickstart", "-o", "data=digits", *arguments)
    assert (code, printed) == (2, "")
    assert words in " ".join(complaint.split())
    assert list(tmp_path.iterdir()) == []


class Made:
    def __init__(self, code: int) -> None:
        self.judgement = self
        self.code = code
        self.verdict = {0: "undecided", 3: "no verdict"}[code]

    def exit_code(self, *, strict: bool) -> int:
        return 1 if strict and self.code == 0 else self.code


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Experiment, Path]]:
    """Audits that are not made, but end with 0, 3 and 0, one after the other."""
    asked: list[tuple[Experiment, Path]] = []

    def audit(experiment: Experiment, folder: Path, **_: Any) -> Made:
        asked.append((experiment, folder))
        return Made({2: 3}.get(len(asked), 0))

    monkeypatch.setattr(auditing, "audit", audit)
    for name in ("_print", "_report"):
        monkeypatch.setattr(sys.modules["fedlens.cli.audit"], name, lambda *_: None)
    return asked


def test_one_goal_and_one_team(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    """The experiment's own attack, which has another goal, is in nobody's way."""
    given = ["-o", "data=digits", "-o", "attack=implicit-boosting", "--goal", "damage", "--attackers", "2"]
    code, printed, complaint = called(capsys, "audit", "quickstart", *given)
    assert complaint == ""
    assert "Imported" not in printed  # what stands for it is fedlens' own
    assert code == 0
    [(experiment, folder)] = calls
    assert (experiment.goal is not None, len(experiment.team)) == (True, 2)
    assert folder == Path("audits") / experiment.name


def test_the_goal_of_the_experiment_keeps_its_options(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    own = ["-o", "goal.trigger.place=centre", "-o", "attackers={share: 0.2, schedule: every-round}"]
    code, _, complaint = called(capsys, "audit", "backdoor-digits", *own, "--goal", "backdoor", "--attackers", "3")
    assert (code, complaint) == (0, "")
    [(experiment, _)] = calls
    assert isinstance(experiment.goal, Backdoor)
    assert getattr(experiment.goal.trigger, "place", None) == "centre"
    assert experiment.attackers is not None
    assert (len(experiment.team), experiment.attackers.schedule) == (3, "every-round")


def test_target_samples_are_in_no_other_goals_way(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    given = ["-o", "data=digits", "-o", "target.select=random", "--goal", "all"]
    assert called(capsys, "audit", "quickstart", *given)[0] == 3
    assert [experiment.target.select for experiment, _ in calls] == ["random", None, None]


def test_goals_that_do_not_suit_are_said_and_left_out(
    calls: list[Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "prices.csv").write_text("size,price\n" + "".join(f"{n}.5,{3 * n}.25\n" for n in range(60)))
    table = "data={name: table, path: prices.csv, label: price, task: regression}"
    given = ["-o", table, "-o", "model=census-mlp", "-o", "checks=[]", "-o", "clients=4"]
    code, printed, complaint = called(capsys, "audit", "quickstart", *given, "--goal", "all")
    assert (code, complaint) == (0, "")
    assert [str(folder) for _, folder in calls] == ["audits/quickstart/damage"]
    words = " ".join(printed.split())
    assert "Without the goal targets, which does not suit: goal: targets are taken for another class" in words
    assert "Without the goal backdoor, which does not suit" in words


def test_strict_takes_undecided_for_broken(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = called(capsys, "audit", "quickstart", "-o", "data=digits", "--strict")
    assert code == 1
    assert "exit code" not in printed
    assert len(calls) == 1


def test_undecided_is_said_not_to_be_holding(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = called(capsys, "audit", "quickstart", "-o", "data=digits")
    assert code == 0
    assert "Undecided does not mean that it holds, though the exit code is 0" in " ".join(printed.split())
    assert "Before this" not in printed
    assert len(calls) == 1


def test_that_more_effort_has_taken_broken_back_is_said(
    calls: list[Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["fedlens.cli.audit"], "_verdict_in", lambda _: "broken")
    _, printed, _ = called(capsys, "audit", "quickstart", "-o", "data=digits")
    assert "Before this it was broken." in printed
    assert len(calls) == 1


def test_all_goals_are_an_audit_each(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    """The second has no verdict, which is the worst of the three."""
    code, printed, _ = called(capsys, "audit", "quickstart", "-o", "data=digits", "--goal", "all", "--out", "here")
    assert code == 3
    assert "they take 3 times as long as one" in " ".join(printed.split())
    assert [str(folder) for _, folder in calls] == ["here/targets", "here/backdoor", "here/damage"]
    assert calls[0][0].goal is None
