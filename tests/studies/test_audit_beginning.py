"""An audit's directory goes on only with the rule, the data and the limits that it was begun with."""

import importlib
from pathlib import Path
from typing import Any

import pytest
from auditing import audited
from pydantic import TypeAdapter

from fedlens.core.code import digest
from fedlens.core.errors import RunError
from fedlens.core.files import lock, write_atomically
from fedlens.experiment.experiment import Experiment
from fedlens.simulation.runtime import Runtime
from fedlens.studies.audit.beginning import begun
from fedlens.studies.audit.federations import require_present_code
from fedlens.studies.audit.ledger import Ledger
from fedlens.studies.audit.subject import Subject

RULE = """
from fedlens import Aggregate, Received, Rule


class Own(Rule):
    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(received.updates.mean(dim=0))
"""
DATA = """
import torch
from fedlens import Data, Dataset, Samples

SCALE = 1


class Few(Data):
    def load(self, directory):
        x, y = torch.arange(1280.0).reshape(20, 64) * SCALE, torch.arange(20) % 2
        return Dataset(Samples(x, y), Samples(x, y), classes=("no", "yes"))
"""
WHOLE = TypeAdapter(int)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine/cells").mkdir(parents=True)
    return tmp_path / "mine"


def subject(cost: float = 0.03, **changes: Any) -> Subject:
    return Subject.of(audited(**changes), cost)


def go_on(folder: Path, one: Subject) -> Ledger:
    return begun(folder, one, Runtime(engine="serial"))


def measured(folder: Path, one: Subject) -> None:
    go_on(folder, one).add("fork", "first", WHOLE, 1)


def imported(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module(name)


def test_the_same_goes_on(folder: Path) -> None:
    measured(folder, subject())
    assert go_on(folder, subject()).get("fork", "first", WHOLE) == 1


def test_a_rule_that_was_edited_is_another(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = imported(tmp_path, "edited_rule", RULE, monkeypatch).Own()
    measured(folder, subject(aggregation=rule))
    (tmp_path / "edited_rule.py").write_text(RULE.replace("mean(dim=0)", "sum(dim=0)"))
    with pytest.raises(
        RunError, match=r"the code has changed since .*edited_rule\.py\); choose another --out, e\.g\. "
    ):
        go_on(folder, subject(aggregation=rule))
    (tmp_path / "edited_rule.py").write_text(RULE)
    assert go_on(folder, subject(aggregation=rule)).get("fork", "first", WHOLE) == 1


def test_data_that_have_changed_are_others(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = imported(tmp_path, "changed_data", DATA, monkeypatch)
    own = subject(data=module.Few())
    measured(folder, own)
    module.SCALE = 2
    with pytest.raises(RunError, match="the data have changed since the audit that is there was begun"):
        go_on(folder, own)


def test_another_limit_is_another_audit(folder: Path) -> None:
    measured(folder, subject())
    with pytest.raises(
        RunError, match=r"an audit of something else is there already; choose another --out, e\.g\. --out"
    ):
        go_on(folder, subject(cost=0.05))


def test_where_nothing_was_measured_another_may_begin(folder: Path) -> None:
    """As after "cannot be judged; train for longer", which is then done."""
    ledger = go_on(folder, subject())
    ledger.add("seed", "0", TypeAdapter(str), "nothing resists")
    assert not go_on(folder, subject(rounds=3)).has("seed", "0")
    (folder / "cells/one").mkdir()
    with pytest.raises(RunError, match="something else"):
        go_on(folder, subject())


def test_a_run_that_other_code_made_is_refused(tmp_path: Path) -> None:
    experiment: Experiment = audited()
    right = digest(type(component) for _, component in experiment.components())
    for content in (f'{{"code": "{right}"}}', "{}"):
        write_atomically(tmp_path / "digests.json", content.encode())
        require_present_code(tmp_path, experiment)
    write_atomically(tmp_path / "digests.json", b'{"code": "0"}')
    with pytest.raises(RunError, match="the code has changed since this run was made; put it back, or begin another"):
        require_present_code(tmp_path, experiment)


def test_two_at_once_are_kept_apart(folder: Path) -> None:
    first = lock(folder, "audit", ".lock-audit")
    with pytest.raises(RunError, match="another process is writing this audit; wait for it"):
        lock(folder, "audit", ".lock-audit")
    lock(folder, "sweep").release()
    first.release()
