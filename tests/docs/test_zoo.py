"""The zoo's pages: a page for each method, and statements about others' code that can be checked."""

from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from docs_elsewhere import Statement, statements
from docs_toy_round import caption, drawable, picture, toy_step
from docs_zoo import CORRECTION, ZOO, zoo_pages
from pydantic import ValidationError

from fedlens.core.registry import BUILT_IN
from fedlens.studies.conformance.reference import methods

DOCS = Path(__file__).parents[2] / "docs"
ROOT = DOCS.parent
PLACE = {"method": "krum", "project": "P", "repository": "a/b", "commit": "0" * 40, "file": "krum.py", "lines": "3-9"}
STATEMENT = {**PLACE, "checked": date(2026, 11, 30), "how": "read", "finding": "differs", "words": "so"}


def test_every_attack_and_defence_has_a_page() -> None:
    assert set(zoo_pages(DOCS)) == {"index", *(name for kind in ZOO for name in BUILT_IN[kind])}


def test_a_page_has_formula_least_number_picture_and_values_by_hand() -> None:
    page = "\n".join(zoo_pages(DOCS)["krum"])
    for words in (
        "s(i) = Σ",
        "7 with `f: 2`",
        "<svg",
        "0.00 of it is theirs",
        "| 2, 4, 8, 18, 24, 25, 27 | `f: 1` | 18 |",
    ):
        assert words in page


def test_the_mean_s_picture_has_equal_discs_and_the_attackers_share() -> None:
    assert Counter(line.partition(" r=")[2] for line in picture("mean") if "fill-opacity" in line) == {
        '"5.0" fill="#1f6feb" fill-opacity="0.45"/>': 8,
        '"5.0" fill="#c4320a" fill-opacity="0.45"/>': 2,
    }
    assert caption("mean").endswith("0.20 of it is theirs.")


def test_what_cannot_be_drawn_needs_more_than_two_entries() -> None:
    assert [name for name in methods() if not drawable(name)] == []
    assert toy_step("krum").skipped is None


def test_a_statement_leads_to_its_lines() -> None:
    assert Statement(**STATEMENT).place == f"https://github.com/a/b/blob/{'0' * 40}/krum.py#L3-L9"


@pytest.mark.parametrize(
    "change",
    [
        {"commit": "main"},
        {"lines": "about 3"},
        {"lines": None},
        {"how": "heard"},
        {"how": "ran"},
        {"script": "tools/elsewhere_ran.py"},
        {"finding": "bad"},
        {"finding": "absent"},
        {"finding": "as published"},
        {"words": ""},
    ],
)
def test_a_statement_that_cannot_be_checked_is_refused(change: dict[str, str | None]) -> None:
    with pytest.raises(ValidationError):
        Statement(**{**STATEMENT, **change})


def test_what_is_absent_leads_to_the_folder_without_it() -> None:
    absent = Statement(**{**STATEMENT, "file": "rules", "lines": None, "finding": "absent", "words": ""})
    assert absent.place == f"https://github.com/a/b/tree/{'0' * 40}/rules"


def test_statements_are_of_methods_there_are_and_ran_by_scripts_there_are() -> None:
    for one in statements(DOCS):
        assert any(one.method in BUILT_IN[kind] for kind in ZOO), one.method
        assert one.script is None or (ROOT / one.script).is_file()


def test_a_correction_has_a_template() -> None:
    assert (ROOT / ".github" / "ISSUE_TEMPLATE" / "correction.yml").is_file()
    assert "template *Correction*" in CORRECTION
