"""What is wrong with a verdict, in words; the rest of a run has tests of what becomes of these."""

from typing import Any

import pytest
import torch

from fedlens.defences.detector import Verdict
from fedlens.defences.verdicts import fault

SCORES, FLAGS = torch.zeros(2).double(), torch.tensor([False, True])


@pytest.mark.parametrize(
    ("verdict", "wrong"),
    [
        (Verdict(SCORES, FLAGS), ""),
        (Verdict(SCORES, FLAGS, {"length": [1.0, 2.0], "range": [[], [0.5, 1.0]]}, {"rows": torch.ones(2, 3)}), ""),
        (Verdict(SCORES, FLAGS, tables={"rows": torch.full((2, 1), torch.inf)}), ""),
        (None, "None, not a Verdict"),
        (Verdict(SCORES[:1], FLAGS), "scores of shape [1]; [2] is right"),
        (Verdict(SCORES / 0, FLAGS), "scores whose entry 0 is NaN; finite numbers are right"),
        (Verdict(SCORES, SCORES), "flagged of torch.float64; torch.bool is right"),
        (Verdict(SCORES, FLAGS[:1]), "flagged of shape [1]; [2] is right"),
        (Verdict(SCORES, FLAGS, [1.0, 2.0]), "details of type list; a dict by names is right"),  # type: ignore[arg-type]
        (Verdict(SCORES, FLAGS, {3: [1.0, 2.0]}), "details with the name 3; names are words"),  # type: ignore[dict-item]
        (
            Verdict(SCORES, FLAGS, {"scores": [1.0, 2.0]}),
            "a detail called scores, as the verdict's own; another name is right",
        ),
        (
            Verdict(SCORES, FLAGS, {"flagged": [1.0, 2.0]}),
            "a detail called flagged, as the verdict's own; another name is right",
        ),
        (
            Verdict(SCORES, FLAGS, {"length": SCORES}),  # type: ignore[dict-item]
            "the detail length of type Tensor; a list of 2 numbers is right, as by .tolist()",
        ),
        (
            Verdict(SCORES, FLAGS, {"length": [1.0]}),
            "the detail length of 1 entries; 2 are right, one for each client",
        ),
        (
            Verdict(SCORES, FLAGS, {"length": [1.0, "2"]}),  # type: ignore[list-item]
            "the detail length whose entry 1 is '2'; numbers are right, as by .tolist()",
        ),
        (
            Verdict(SCORES, FLAGS, {"range": [[1.0], [None]]}),  # type: ignore[list-item]
            "the detail range whose entry 1 is None; numbers are right, as by .tolist()",
        ),
        (Verdict(SCORES, FLAGS, tables=[]), "tables of type list; a dict by names is right"),  # type: ignore[arg-type]
        (
            Verdict(SCORES, FLAGS, tables={"rows": torch.ones(3, 4)}),
            "the table rows of shape [3, 4]; [2, 4] is right",
        ),
        (
            Verdict(SCORES, FLAGS, tables={"rows": 5}),  # type: ignore[dict-item]
            "the table rows of type int; a tensor of shape [2] is right",
        ),
    ],
)
def test_what_is_wrong_with_a_verdict(verdict: Any, wrong: str) -> None:
    assert fault(verdict, 2) == wrong
