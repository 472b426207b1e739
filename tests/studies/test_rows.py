"""Cells of the tables of claims."""

import pytest

from fedlens.core.config import validate
from fedlens.studies.paper.case import Case
from fedlens.studies.paper.claims import Claim, Part
from fedlens.studies.paper.claims_json import _finding
from fedlens.studies.paper.judging import Finding, Judgement
from fedlens.studies.paper.rows import holding, ours, row, verdict_table

PART = {"what": "it", "measure": "final_confidence", "of": ["a"], "paper": "high", "at_least": 0.5}


def finding(seeds: int, targets: int, value: float = 0.9, **changes: object) -> Finding:
    """Values of `value` and a hundredth of the seed more, but for the last seed's, which are 0.1."""
    cases = [Case(seed, draw) for seed in range(seeds) for draw in range(targets)]
    values = {case: value + case.seed / 100 if case.seed < seeds - 1 else 0.1 for case in cases}
    return Finding(validate(Part, PART | changes), values, {})


@pytest.mark.parametrize(
    ("seeds", "cell"),
    [(1, "0.100"), (2, "0.500, range 0.100 to 0.900"), (4, "0.905, range 0.100 to 0.920"), (5, "0.910 [0.100, 0.930]")],
)
def test_the_median_has_an_interval_or_a_range(seeds: int, cell: str) -> None:
    assert ours(finding(seeds, 3)) == cell
    assert ours(finding(0, 0)) == "–"


def test_what_is_measured_of_all_seeds_together_has_a_range_whatever_their_number() -> None:
    found = finding(9, 1, measure="explained_others")
    assert ours(found) == "0.930, range 0.100 to 0.970"
    assert holding(found) == "8 of 9"


def test_how_many_cases_hold_has_the_interval_of_so_many_seeds() -> None:
    assert holding(finding(5, 10)) == "40 of 50, 0.80 [0.30, 0.99]"  # as of 4 of 5
    assert holding(finding(5, 1)) == "4 of 5, 0.80 [0.30, 0.99]"
    assert holding(finding(1, 10)) == "0 of 10"
    assert holding(finding(5, 10, at_least=None)) == holding(finding(0, 0)) == "–"


@pytest.mark.parametrize("seeds", [4, 5])
def test_the_table_says_what_an_interval_takes(seeds: int) -> None:
    claim = validate(Claim, {"figure": 1, "claim": "it works", "parts": [PART]})
    table = verdict_table([Judgement("C1", claim, [finding(seeds, 2)], [])])
    assert (table.caption is None) == (seeds == 5)
    assert table.caption is None or "a 95 % interval, which takes 5" in str(table.caption)


def test_a_row_has_both() -> None:
    cells = row(finding(5, 2))
    assert cells[3:5] == ["0.910 [0.100, 0.930] ?", "8 of 10, 0.80 [0.30, 0.99]"]
    assert cells[-1] == "5 × 2"


def test_plain_values_have_the_range_and_the_number_of_seeds() -> None:
    few, none = _finding(finding(4, 2)), _finding(finding(0, 0))
    assert (few["median"], few["interval"], few["range"], few["seeds"]) == (pytest.approx(0.905), None, [0.1, 0.92], 4)
    assert (none["median"], none["interval"], none["range"], none["seeds"]) == (None, None, None, 0)
    assert _finding(finding(5, 2))["interval"] == [0.1, 0.93]
