"""The page of an audit and its Markdown, of a hand-made ``audit.json``."""

import json
from pathlib import Path
from typing import Any

import pytest
from reading import Reader

from fedlens.core.errors import DamagedRunError
from fedlens.report.audit_markdown import markdown
from fedlens.report.audited import noticed, read_audit
from fedlens.report.html.page import write_report

EVIL = "<script>alert(1)</script>|*boost*"
FINALIST = {"name": EVIL, "cells": 8, "successes": 6, "placebos": 2, "low": 0.31, "high": 0.97, "cost": 0.012}
FAILED = {"arm": "pgd", "rounds": 1, "successes": 0, "utility": -100.0, "error": "it failed"}
MISSED = {"eta": 0.1, "rounds": 4, "found": 1, "by": "pgd", "broken": False}


def cell(number: int, **changes: Any) -> dict[str, Any]:
    usual = {"attack": EVIL, "number": number, "counts": True, "success": True, "placebo": False, "cost": 0.01}
    usual |= {"reached": 0.9, "effective_weight": 0.1, "unseen": False, "flagged": {"distances": 0.5}}
    return usual | {"reason": "", "run": f"cells/{number}"} | changes


def one_round(value: float, *, success: bool) -> dict[str, Any]:
    outcome = {"value": value, "success": success, "accuracy": 0.9, "error": 0.1}
    absent = {"value": 0.05, "success": False, "accuracy": 0.9, "error": 0.1}
    sides = {"attacked": outcome, "honest": absent, "absent": absent}
    return {"seed": 3, "round": 1, **sides, "applied": True, "success": success}


def written(folder: Path, **changes: Any) -> Path:
    """An audit's directory."""
    cells = [cell(number, flagged={"distances": 1.0 if number else 0.0}) for number in range(2)]
    found = {
        "version": "audit-1",
        "effort": "standard",
        "suited": 278,
        "plan": {"share": 0.75},
        "subject": {"data": "digits", "model": "tiny", "server": "median", "checks": ["distances"], "goal": "targets"}
        | {"clients": 10, "attackers": 1, "rounds": 4},
        "accuracy_cost": 0.03,
        "rate": 0.1,
        "verdict": "broken",
        "sentence": f"broken: {EVIL} succeeded with 6 of 8 held-out seeds",
        "judgement": {"seeds": 8, "upper": 0.95, "finalists": [FINALIST | {"broken": True}]},
        "flags": [{"code": "F4", "words": "a fixed attack did better"}],
        "tried": [{"arm": EVIL, "rounds": 3, "successes": 2, "utility": -1.5, "error": ""}, FAILED],
        "federations": [{"arm": EVIL, "seeds": 2, "successes": 1, "utility": 3.0}],
        "finalists": [EVIL],
        "verdict_cells": cells,
        "worst": cells[0],
        "leaks": [{"eta": 0.3, "rounds": 4, "found": 4, "by": EVIL, "broken": True}, MISSED],
        "omniscient": [one_round(0.8, success=True)],
        "adaptive": [one_round(0.2, success=False)],
        "out_of_time": False,
        "unfit": {"a3fl": "needs a trigger"},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "audit.json").write_text(json.dumps(found | changes))
    return folder


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = written(tmp_path_factory.mktemp("audited") / "mine")
    write_report([folder], folder / "report.html")
    return (folder / "report.html").read_text("utf-8")


def test_the_verdict_comes_first_and_the_limits_last(page: str) -> None:
    text = Reader(page).text
    heads = ["Broken:", "10 clients, one of which attacks", "Red flag:", "placebo alone"]
    places = [text.index(head) for head in heads[:4]]
    assert places == sorted(places)
    sections = [str(attributes["id"]) for tag, attributes in Reader(page).elements if tag == "section"]
    assert sections == ["finalists", "power", "tried", "worst", "again", "limits"]


def test_names_of_attacks_are_no_markup(page: str) -> None:
    reader = Reader(page)
    assert "<script>alert(1)" not in page
    assert EVIL in reader.text
    assert all("alert(1)" not in script for script in reader.scripts[1:])


def test_charts_have_the_numbers(page: str) -> None:
    reader = Reader(page)
    assert reader.placed == ["leaks", "sight"]
    assert reader.charts["leaks"]["columns"]["found"] == [4, 1]
    columns = reader.charts["sight"]["columns"]
    assert columns["reached"] == [0.2, 0.8, 0.05]


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    for tag, attributes in Reader(page).elements:
        assert not str(attributes.get("src") or "").startswith(("http", "//")), tag
        assert tag != "link" or attributes.get("href") == "data:,"


def test_a_run_that_is_gone_is_told(page: str) -> None:
    assert "Its run cannot be shown" in Reader(page).text


def test_it_is_the_same_each_time(tmp_path: Path, page: str) -> None:
    folder = written(tmp_path / "mine")
    write_report([folder], tmp_path / "again.html")
    again = (tmp_path / "again.html").read_text("utf-8")
    assert Reader(again).charts == Reader(page).charts


def test_finalists_by_hand(tmp_path: Path) -> None:
    [row] = read_audit(written(tmp_path)).finalists().rows
    assert row[1:] == ["6 of 8", "31 to 97 %", "2 of 8", "+50 points", "1.2 points", "distances in 50.0 %", "0.10"]


def test_sight_by_hand(tmp_path: Path) -> None:
    rows = read_audit(written(tmp_path)).sight().rows
    assert [row[1:3] for row in rows] == [["0 of 1", "0.20"], ["1 of 1", "0.80"]]


def test_noticed_counts_rounds_of_checks_that_flagged_nobody() -> None:
    assert noticed([{"a": 0.5, "b": 0.0}, {"a": 0.0, "b": 0.0}]) == "a in 25.0 %"
    assert noticed([]) == noticed([{"a": 0.0}]) == "none"


def test_markdown_escapes_names(tmp_path: Path) -> None:
    text = markdown(read_audit(written(tmp_path)))
    assert text.startswith("# Audit: broken\n")
    assert r"\<script\>alert(1)\</script\>\|\*boost\*" in text
    assert "<script>" not in text
    assert "| pgd | 0 of 1 | – |  | it failed |" in text


def test_a_damaged_audit_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path, leaks=[{}])
    with pytest.raises(DamagedRunError, match=r"audit\.json: cannot be read .*repeat the command"):
        read_audit(folder)
