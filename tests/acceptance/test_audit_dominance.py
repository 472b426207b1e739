"""The search of an audit prefers none to an attack that did better on the same rounds and federations."""

from functools import partial
from pathlib import Path

import pytest
from audit_dominance import experiment_of, searched

from fedlens.studies.audit import federations
from fedlens.studies.audit.subject import Subject
from fedlens.studies.audit.verdict import ACCURACY_COST
from fedlens.sweeps.in_process import InProcessExecutor
from fedlens.sweeps.sweep import run_cells

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("rule", ["krum", "clipping"])
def test_nothing_that_was_tried_did_better_than_those_that_were_preferred(
    rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(federations, "run_cells", partial(run_cells, make_executor=InProcessExecutor))
    subject = Subject.of(experiment_of(rule, "digits"), ACCURACY_COST)
    found = searched(tmp_path, subject, lambda _: None)
    assert (found.tried, found.played) == (40, 3)
    assert len(found.finalists) == 2
    assert len(found.adaptive) == 1
    assert found.wronged == []
