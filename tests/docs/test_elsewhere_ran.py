"""Statements about others' code that say it was run: each has a demonstration, which judges what it is given."""

from pathlib import Path

import numpy as np
import pytest
import torch
from docs_elsewhere import Statement, statements
from elsewhere_ran import SCRIPT, SHOWN, Checkout, holds, key, main
from ran_bulyan import bulyans
from ran_shown import Shown

from fedlens.defences.bulyan import bulyan
from fedlens.studies.conformance.case import column

DOCS = Path(__file__).parents[2] / "docs"
RAN = [one for one in statements(DOCS) if one.script == SCRIPT]
CODE = """
import no_such_module


class Rule:
    @no_such_module.registered
    def aggregate(self, updates: Updates):
        return helper(updates)


def helper(updates):
    return np.mean(updates) + more


def unused():
    return nothing
"""


def test_every_statement_that_was_run_has_a_demonstration_and_the_other_way_round() -> None:
    assert {key(one) for one in RAN} == set(SHOWN)
    assert len(RAN) >= 10


def test_functions_are_taken_out_of_a_file_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "rule.py").write_text(CODE)
    taken = Checkout(tmp_path)("rule.py", "helper", "Rule.aggregate", more=1)
    assert taken.aggregate(None, [1, 2, 6]) == 4
    assert not hasattr(taken, "unused")
    with pytest.raises(LookupError, match=r"rule\.py has no Rule\.other"):
        Checkout(tmp_path)("rule.py", "Rule.other")


@pytest.mark.parametrize(
    ("finding", "right", "stated", "theirs", "so"),
    [
        ("differs", 3, 0, 0, True),
        ("differs", 3, 0, 3, False),
        ("differs", 3, 3, 3, False),
        ("as published", 3, 3, 3, True),
        ("as published", 3, 3, 0, False),
        ("as published", 3, 0, 0, False),
    ],
)
def test_a_statement_holds_if_their_code_does_what_it_says(
    finding: str, right: int, stated: int, theirs: int, so: bool
) -> None:
    statement = next(one for one in RAN if one.finding == finding)
    assert holds(statement, Shown("3", right, stated, theirs)) is so


def test_files_that_are_missing_are_named_with_their_addresses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tmp_path) == 2
    krum: Statement = next(one for one in RAN if one.method == "krum")
    address = f"https://raw.githubusercontent.com/{krum.repository}/{krum.commit}/{krum.file}"
    assert f"missing: {tmp_path / krum.repository / krum.file} from {address}" in capsys.readouterr().out


def test_ours_is_one_of_the_answers_that_bulyan_leaves_open() -> None:
    rows = np.random.default_rng(0).normal(size=(7, 3))
    ours = bulyan(torch.from_numpy(rows), 1)[0].numpy()
    assert [True for answer in bulyans(rows, 1) if np.allclose(answer, ours)] == [True]
    assert [answer.tolist() for answer in bulyans(column(1, 2, 6), 0)] == [[3.0]]
