"""Audits of servers whose rule is a strategy of Flower: what it keeps is forked with the round."""

from pathlib import Path
from typing import Any

import pytest

import fedlens
from fedlens.report.audit_markdown import markdown
from fedlens.report.audited import read_audit
from fedlens.studies.audit import audit as auditing
from fedlens.studies.audit import federations, power
from fedlens.studies.audit.arms import Arm, arms_for
from fedlens.studies.audit.audit import audit
from fedlens.studies.audit.schedule import Schedule
from fedlens.sweeps.in_process import InProcessExecutor
from fedlens.sweeps.sweep import run_cells
from fedlens.sweeps.sweep_runtime import SweepRuntime

SMALL = Schedule(minutes=60, arms=2, seeds=1, kept=2, federations=2, trials=1, finalists=1, verdict=2)


def cheap_arms(experiment: fedlens.Experiment) -> tuple[list[Arm], dict[str, str]]:
    fitting, unfit = arms_for(experiment)
    return [arm for arm in fitting if arm.attack in {"badnets", "sign-flipping"}], unfit


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def alone(*args: Any, **options: Any) -> Any:
        return run_cells(*args, **options, make_executor=InProcessExecutor)

    monkeypatch.setattr(auditing, "SCHEDULES", {"quick": SMALL})
    monkeypatch.setattr(auditing, "arms_for", cheap_arms)
    monkeypatch.setattr(federations, "run_cells", alone)
    monkeypatch.setattr(power, "LEAKS", (0.3, 0.1))
    monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / "cache"))


def test_an_audit_of_a_strategy_that_keeps_something_ends_with_a_verdict(tmp_path: Path) -> None:
    rule = {"name": "flower", "make": "flwr.serverapp.strategy:FedAdam", "options": {"eta": 0.01}}
    experiment = fedlens.Experiment(
        data="digits", clients=4, rounds=2, goal="backdoor", local={"steps": 8}, aggregation=rule
    )
    made = audit(
        experiment,
        tmp_path / "audit",
        effort="quick",
        accuracy_cost=1.0,
        runtime=SweepRuntime(jobs=1, engine="serial"),
    )
    assert all(one.cell is not None for one in made.trials.played)
    text = markdown(read_audit(tmp_path / "audit"))
    assert "flower" in text
