"""The search of an audit prefers none to an attack that did better on the same rounds and federations."""

from pathlib import Path

import pytest
from audit_dominance import experiment_of, in_this_process, searched

from fedlens.studies.audit.subject import Subject
from fedlens.studies.audit.verdict import ACCURACY_COST

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("rule", ["krum", "clipping"])
def test_nothing_that_was_tried_did_better_than_those_that_were_preferred(rule: str, tmp_path: Path) -> None:
    subject = Subject.of(experiment_of(rule, "digits"), ACCURACY_COST)
    with in_this_process():
        found = searched(tmp_path, subject, lambda _: None)
    assert (found.tried, found.played) == (40, 4)
    assert len(found.finalists) == 2
    assert len(found.adaptive) == 1
    assert found.wronged == []
