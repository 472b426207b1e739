"""The zoo's pages: a page for each method, and statements about others' code that can be checked."""

import re
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from docs_elsewhere import Statement, statements
from docs_needs import facts
from docs_toy_round import caption, drawable, picture, toy_step
from docs_zoo import CORRECTION, ZOO, zoo_pages
from pydantic import ValidationError

from fedlens.core.registry import BUILT_IN, resolve
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


SHOWN = {"signguard": "signguard-filter"}
"""Whole methods whose formulas are said where another is."""


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in ZOO for name in BUILT_IN[kind]])
def test_every_component_says_its_source_its_formula_and_what_it_sees_needs_and_keeps(kind: str, name: str) -> None:
    component = resolve(kind, name)
    said = sys.modules[component.__module__].__doc__ or ""
    assert re.search(r"\b(19|20)\d\d\b", said), "the source, with its year"
    assert re.search(r"[=Σ≤≥←‖∈λδασ⌈]", said) or (name in SHOWN and SHOWN[name] in said), "the formula"
    assert "Example:" in (component.__doc__ or ""), "an example, which tests/test_public_examples.py runs"
    told = [line.partition(":")[0] for line in facts(kind, name)]
    least = "- attackers at least" if kind == "attack" else "- updates at least"
    assert {least, "- must be told", "- keeps from round to round"} < set(told)
    assert any(line.startswith("- sees") for line in told)


@pytest.mark.parametrize(
    ("kind", "name", "line"),
    [
        ("attack", "mimic", "- keeps from round to round: the team's own state"),
        ("attack", "dba", "- goal: a backdoor whose trigger has at least 2 parts"),
        ("attack", "fang-krum", "- knows of the server: its rule, as `attackers.rule` says"),
        ("attack", "inner-product-manipulation", "- must be told: `eps`"),
        ("stage", "centred-clipping", "- keeps from round to round: `aggregate`"),
        ("stage", "foolsgold", "- keeps from round to round: what clients sent"),
        ("aggregation", "krum", "- updates at least: 5 with `f: 1`"),
        ("checks", "accuracy", "- other needs: validation samples"),
    ],
)
def test_what_a_component_sees_needs_and_keeps(kind: str, name: str, line: str) -> None:
    assert line in list(facts(kind, name))


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
