"""What an audit found, as Python has it: by hand, from the directory alone, and what cannot be read."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.made_audit import FIXED, LEAKS, OTHER, made_audit

import fedlens
from fedlens.core.errors import ConfigError, DamagedRunError, RunError
from fedlens.core.registry import name_of
from fedlens.experiment.experiment import Experiment
from fedlens.studies.audit import audit as auditing
from fedlens.sweeps.sweep_runtime import SweepRuntime

MIXED = ["success"] * 9 + ["placebo"]
"""Broken: nine successes of ten, which is surely more than 5 %; with the tenth seed the placebo alone has it."""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> fedlens.AuditResult:
    folder = tmp_path_factory.mktemp("audits") / "mixed"
    made_audit(folder, {OTHER: ["nothing"] * 10, FIXED: MIXED})
    return fedlens.load_audit(folder)


def test_what_a_broken_server_s_audit_says(broken: fedlens.AuditResult) -> None:
    assert (broken.verdict, broken.exit_code) == ("broken", 1)
    assert broken.sentence.startswith("Broken: explicit-boosting succeeded with 9 of 10 held-out seeds")
    assert broken.sentence.endswith(".")
    assert (broken.placebo, broken.cost, broken.power) == (0.1, 0.01, 0.01)
    [flag] = broken.flags
    assert flag == "The server remembers earlier rounds (fedavgm), and attackers were taken not to know that (F3)."


def test_success_is_the_rate_of_the_finalist_who_breaks_it(broken: fedlens.AuditResult) -> None:
    success = broken.success
    assert success is not None
    assert (success.value, success.seeds, success.range, success.needed) == (0.9, 10, (0.0, 1.0), 1)
    assert success.low is not None
    assert success.high is not None
    assert 0.05 < success.low < 0.9 < success.high <= 1
    assert f"at least {100 * success.low:.3g} %" in broken.sentence


def test_the_table_has_a_row_for_each_federation(broken: fedlens.AuditResult) -> None:
    table = broken.table
    assert len(table) == 20
    assert table.groupby("attack")["counts"].sum().to_dict() == {FIXED: 9, OTHER: 0}
    assert table["placebo"].sum() == 1
    assert set(table["run"]) == {f"cells/{arm}-{number}" for arm in (FIXED, OTHER) for number in range(10)}


def test_the_worst_federation_is_an_experiment_to_run(broken: fedlens.AuditResult) -> None:
    worst = broken.worst
    assert worst is not None
    assert broken.worst_run == broken.path / "cells" / "explicit-boosting-0"
    assert worst == fedlens.load_experiment(broken.path / "worst.yaml")
    assert name_of("attack", worst.attack) == FIXED


def test_what_a_server_that_holds_says(tmp_path: Path) -> None:
    """Of two finalists, one of whom succeeded with one seed of 100, that one is told."""
    made_audit(tmp_path, {FIXED: ["nothing"] * 100, OTHER: ["success", *["nothing"] * 99]})
    found = fedlens.load_audit(tmp_path)
    assert (found.verdict, found.exit_code) == ("holds", 0)
    assert found.success is not None
    assert found.success.value == 1 / 100
    assert found.success.high is not None
    assert found.success.high < 0.10


def test_without_power_there_is_no_verdict(tmp_path: Path) -> None:
    made_audit(tmp_path, {FIXED: ["nothing"] * 40}, leaks=[(0.3, 1)])
    found = fedlens.load_audit(tmp_path)
    assert (found.verdict, found.exit_code, found.power) == ("no verdict", 3, None)
    assert found.success is not None
    assert found.success.range == (0.0, 0.0)


def test_without_a_federation_that_counts_there_are_no_numbers(tmp_path: Path) -> None:
    made_audit(tmp_path, {FIXED: []}, leaks=LEAKS[:2])
    found = fedlens.load_audit(str(tmp_path))
    assert (found.verdict, found.exit_code, found.power) == ("undecided", 0, 0.1)
    assert (found.success, found.placebo, found.cost, found.worst_run, found.worst) == (None,) * 5
    assert len(found.table) == 0


def test_what_is_shown_of_it_is_short(broken: fedlens.AuditResult) -> None:
    assert "verdict='broken'" in repr(broken)
    assert "\n" not in repr(broken)


# what cannot be read


def test_no_audit_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"^mine: no audit is there .* make one, e.g. fedlens audit quickstart"):
        fedlens.load_audit("mine")
    made_audit(Path("audits/mine"), {FIXED: ["success"]})
    with pytest.raises(
        RunError, match=r"^mime: no audit is there \(it has no audit.json\); did you mean audits/mine\?"
    ):
        fedlens.load_audit("mime")


def test_an_audit_that_has_not_reached_its_end(tmp_path: Path) -> None:
    (tmp_path / "plan.jsonl").touch()
    with pytest.raises(RunError, match="this audit has not reached its end; repeat the command"):
        fedlens.load_audit(tmp_path)


@pytest.mark.parametrize(
    "damaged",
    [{"judgement": {"seeds": 8, "finalists": []}}, {"judgement": None}, {"flags": [{}]}, {"worst": {}}, {"worst": 7}],
)
def test_a_damaged_audit_is_refused(tmp_path: Path, damaged: dict[str, Any]) -> None:
    made_audit(tmp_path, {FIXED: ["success"]})
    file = tmp_path / "audit.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | damaged))
    with pytest.raises(
        DamagedRunError, match=r"audit\.json: cannot be read .*; repeat the command that made the audit"
    ):
        fedlens.load_audit(tmp_path)


def test_reading_it_imports_no_code_of_somebody_else_s(tmp_path: Path) -> None:
    made_audit(tmp_path, {FIXED: ["success"] * 8})
    found = fedlens.load_audit(tmp_path)
    assert found.worst_run is not None
    (found.worst_run / "experiment.yaml").write_text("data: digits\naggregation: {name: payload:Rule}\n")
    again = fedlens.load_audit(tmp_path)
    with pytest.raises(ConfigError, match="names code to be run: payload:Rule"):
        _ = again.worst


def test_a_worst_run_that_is_gone_is_told_with_where_it_is_described(tmp_path: Path) -> None:
    made_audit(tmp_path, {FIXED: ["success"]})
    shutil.rmtree(tmp_path / "cells")
    with pytest.raises(RunError, match=r"this run is gone; take fedlens\.load_experiment\('.*worst\.yaml'\)") as caught:
        _ = fedlens.load_audit(tmp_path).worst
    assert isinstance(eval(str(caught.value).partition("take ")[2]), Experiment)


# the call


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Experiment, dict[str, Any]]]:
    """Audits that are not made, but that there are already."""
    calls: list[tuple[Experiment, dict[str, Any]]] = []

    def audit(experiment: Experiment, out: Any, **options: Any) -> Any:
        calls.append((experiment, options | {"out": out}))
        return made_audit(tmp_path / "made", {FIXED: MIXED})

    monkeypatch.setattr(auditing, "audit", audit)
    return calls


def test_a_call_gives_what_was_found(asked: list[Any], tmp_path: Path) -> None:
    said: list[str] = []
    options: dict[str, Any] = {"jobs": 2, "engine": "serial", "data_dir": tmp_path, "client_timeout": 9.0}
    found = fedlens.audit(
        Experiment(data="digits"), "here", effort="quick", accuracy_cost=0.05, rate=0.2, tell=said.append, **options
    )
    assert found.verdict == "broken"
    assert found == fedlens.load_audit(tmp_path / "made")
    [(experiment, given)] = asked
    assert experiment == Experiment(data="digits")
    assert given.pop("runtime") == SweepRuntime(**options)
    given.pop("tell")("a stage")
    assert said == ["a stage"]
    assert given == {"out": "here", "effort": "quick", "accuracy_cost": 0.05, "rate": 0.2, "observer": None}


def test_a_goal_and_a_team_are_put_into_the_experiment(asked: list[Any]) -> None:
    fedlens.audit("quickstart", goal="damage", attackers=2)
    [(experiment, given)] = asked
    assert (name_of("goal", experiment.goal), len(experiment.team)) == ("damage", 2)
    assert given["effort"] == "standard"
    given["tell"]("nobody listens")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"effort": "lazy"}, r"effort: 'lazy' is none of quick, standard, thorough; e.g. effort=standard"),
        ({"effort": ["quick"]}, r"effort: \['quick'\] is none of"),
        ({"rate": 10}, r"rate: a number from 0.001 to below 1 is needed, not 10; e.g. rate=0.1"),
        ({"rate": "0.1"}, r"rate: a number from 0.001 to below 1 is needed, not '0.1'"),
        ({"accuracy_cost": -0.1}, r"accuracy_cost: a number from 0 is needed, not -0.1; e.g. accuracy_cost=0.03"),
        ({"accuracy_cost": "3 %"}, r"accuracy_cost: a number from 0 is needed, not '3 %'"),
        ({"goal": "fame"}, r"goal: there is no 'fame'; did you mean damage\?"),
        ({"goal": "all"}, r"goal: there is no 'all'; known: backdoor, damage"),
        ({"attackers": 10}, r"attackers: 10 of 10 clients leave no honest one"),
        ({"attackers": 0}, r"attackers.count: a number greater than 0 is needed, not 0"),
        ({"jobs": 0}, r"--jobs 0: at least one is needed"),
        ({"on": "mars"}, r"on: 'mars' is neither local nor ray"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_measured(
    tmp_path: Path, wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        fedlens.audit(Experiment(data="digits"), tmp_path / "new", **wrong)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_keyword_is_refused() -> None:
    with pytest.raises(TypeError, match="'efort'"):
        fedlens.audit(Experiment(data="digits"), efort="quick")  # type: ignore[call-arg]
