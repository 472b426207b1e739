"""The page of an audit and its Markdown, of a hand-made ``audit.json``."""

import json
from pathlib import Path
from typing import Any

import pytest
from reading import Reader

from fedlens.core.errors import DamagedRunError
from fedlens.report.audit_markdown import markdown
from fedlens.report.audited import enumerated, noticed, read_audit
from fedlens.report.html.page import write_report
from fedlens.studies.audit.words import sentences

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
        | {"clients": 10, "attackers": 1, "rounds": 4, "cohort": 10, "asks": True, "regression": False},
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


def written_of(folder: Path, goal: str, *, regression: bool = False, cost: float = 0.012) -> Path:
    """An audit of attackers who damage the model."""
    found = json.loads((written(folder) / "audit.json").read_text())
    about = found["subject"] | {"goal": goal, "asks": False, "regression": regression}
    finalists = [FINALIST | {"broken": True, "cost": cost}]
    return written(folder, subject=about, judgement=found["judgement"] | {"finalists": finalists})


@pytest.mark.parametrize(
    ("regression", "cost", "head", "words"),
    [
        (False, 0.012, "accuracy lost", "1.2 points"),
        (True, 0.012, "error added", "0.01 SD"),
        (True, -0.5, "error added", "−0.50 SD"),
        (True, float("inf"), "error added", "no finite model"),
    ],
)
def test_damage_is_no_cost_of_anything_else(
    tmp_path: Path, regression: bool, cost: float, head: str, words: str
) -> None:
    audit = read_audit(written_of(tmp_path, "damage", regression=regression, cost=cost))
    table = audit.finalists()
    assert (table.head[5], table.rows[0][5]) == (head, words)
    assert head in audit.ranking
    assert audit.federations().head[4:6] == [head, "noticed by"]
    assert audit.sight().head[2:] == ["used by the server", f"median {head}"]
    assert "--accuracy-cost" not in dict(audit.commands())["Make the audit again"]


def test_what_a_success_is_by_hand(tmp_path: Path) -> None:
    end = ", but not where the attackers are absent (the placebo)."
    asked = read_audit(written(tmp_path / "asked"))
    assert asked.counting == f"A success counts if the goal is met and it costs at most 3 points of accuracy{end}"
    damage = read_audit(written_of(tmp_path / "damage", "damage"))
    worse = "A success counts if the model is worse than the benign twin"
    assert damage.counting == f"{worse}, by at least 10 points of accuracy{end}"
    own = read_audit(written_of(tmp_path / "own", "mine:Own"))
    assert own.counting == f"{worse}{end}"


def test_why_the_verdict_names_another_limit_is_said_where_it_may(tmp_path: Path) -> None:
    several = written(tmp_path / "several", verdict="undecided", finalists=[EVIL, "pgd"])
    said = "whenever one looks. The verdict's limit is about the highest rate alone"
    assert said in markdown(read_audit(several))
    assert any(said in words for words in sentences(read_audit(several)))
    for number, changes in enumerate(({}, {"verdict": "undecided"}, {"finalists": [EVIL, "pgd"]})):
        other = read_audit(written(tmp_path / str(number), **changes))
        assert other.intervals == "All intervals are right together in 95 % of audits, whenever one looks."


def test_a_model_without_numbers_has_no_confidence(tmp_path: Path) -> None:
    lost = one_round(float("nan"), success=False)
    audit = read_audit(written(tmp_path, adaptive=[lost], verdict_cells=[cell(0, reached=None)]))
    assert audit.sight().rows[0][2] == "0.00"
    assert audit.federations().rows[0][4] == "–"


def test_a_filter_may_notice_attackers_where_there_is_no_check(tmp_path: Path) -> None:
    about = json.loads((written(tmp_path) / "audit.json").read_text())["subject"] | {"checks": []}
    assert read_audit(written(tmp_path, subject=about)).finalists().rows[0][6] == "distances in 50.0 %"
    without = [cell(number, flagged={}) for number in range(2)]
    assert read_audit(written(tmp_path, subject=about, verdict_cells=without)).finalists().rows[0][6] == "no check"


def test_attacks_that_do_not_suit_are_a_row_for_each_reason(tmp_path: Path) -> None:
    """Without the remedy, which would be one for a run."""
    aims = "goal: damage needs another attack; e.g. -o attack=pgd"
    unfit = {"dba": aims, "dba boost=2": aims, "dba boost=5": "it failed", "a3fl": aims}
    assert read_audit(written(tmp_path, unfit=unfit)).unfit().rows == [
        ["dba, 2 times", "goal: damage needs another attack"],
        ["dba boost=5", "it failed"],
        ["a3fl", "goal: damage needs another attack"],
    ]


def test_how_many_clients_are_in_a_round_is_said_where_it_is_not_all(tmp_path: Path) -> None:
    about = json.loads((written(tmp_path) / "audit.json").read_text())["subject"]
    assert " for 4 rounds; the server" in read_audit(tmp_path).sentence
    some = read_audit(written(tmp_path, subject=about | {"cohort": 3})).sentence
    assert " for 4 rounds, 3 of them in each; the server" in some


def test_the_worst_federation_is_that_of_an_attack_whose_name_is_as_it_is(tmp_path: Path) -> None:
    said = read_audit(written(tmp_path, worst=cell(2, attack="pgd", counts=False))).worst_sentence
    assert said == "Attacked by pgd, with seed 2 of the verdict. It is no success of the attack."


def test_the_worst_federation_is_run_again_by_the_same_arithmetic(tmp_path: Path) -> None:
    def command(engine: str) -> str:
        folder = written(tmp_path / engine)
        (folder / "cells/0").mkdir(parents=True)
        (folder / "cells/0/start.json").write_text(json.dumps({"engine": engine}))
        return dict(read_audit(folder).commands())["Run the worst federation, to the bit"]

    for engine, meant in (("serial", "serial"), ("vectorised", "vectorised"), ("ray", "serial")):
        assert command(engine) == f"fedlens run {tmp_path / engine / 'worst.yaml'} --engine {meant}"
    gone = dict(read_audit(written(tmp_path / "gone")).commands())["Run the worst federation, to the bit"]
    assert gone == f"fedlens run {tmp_path / 'gone' / 'worst.yaml'}"


def test_names_are_enumerated() -> None:
    assert [enumerated(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


def test_sight_by_hand(tmp_path: Path) -> None:
    rows = read_audit(written(tmp_path)).sight().rows
    assert [row[1:3] for row in rows] == [["0 of 1", "0.20"], ["1 of 1", "0.80"]]


BOUND = {"number": 0, "seed": 3, "round": 1, "shape": "box", "at_most": 0.9, "found": 0.8, "by": EVIL}


def test_what_can_be_had_at_most_by_hand(tmp_path: Path) -> None:
    """0.8 and 0.2 were found where 0.9 and 0.34 can be had: 0.5 of 0.62 on average; a round without attack is out."""
    others = [BOUND | {"round": 2, "at_most": 0.34, "found": 0.2}, BOUND | {"round": 3, "found": None, "at_most": 0.62}]
    folder = written(tmp_path / "mine", reach=[BOUND, *others])
    audited = read_audit(folder)
    assert audited.at_most.startswith(
        "Found 0.50, at most 0.62 (confidence, mean of 2 single rounds): whatever the attacker "
        "sends, median keeps the model’s step within a box"
    )
    assert "single rounds, up to local optima" in audited.at_most
    assert "no proof" in audited.at_most
    table = audited.sight()
    assert table.head[2:4] == ["mean confidence", "at most"]
    assert [row[3] for row in table.rows] == ["0.62", "0.62"]
    write_report([folder], folder / "report.html")
    assert "Found 0.50, at most 0.62" in Reader((folder / "report.html").read_text("utf-8")).text
    assert "Found 0.50, at most 0.62" in markdown(audited)
    assert audited.at_most in list(sentences(audited))


def test_nothing_is_said_where_the_reach_is_unknown(tmp_path: Path, page: str) -> None:
    for audited in (read_audit(written(tmp_path / "old")), read_audit(written(tmp_path / "new", reach=[]))):
        assert audited.at_most == ""
        assert "at most" not in audited.sight().head
        assert "Found" not in markdown(audited)
    assert "Found 0" not in Reader(page).text


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


@pytest.mark.parametrize(
    "changes",
    [
        {"flags": None},
        {"sentence": 5},
        {"accuracy_cost": "x"},
        {"rate": None},
        {"unfit": [1]},
        {"worst": {"attack": "a", "number": 0, "counts": True, "run": "../../elsewhere"}},
        {"worst": {"attack": "a", "number": 0, "counts": True, "run": "/etc"}},
        {"worst": {"attack": "a", "number": 0, "counts": True, "run": "cells/.."}},
        {"worst": {"attack": "a", "number": 0, "counts": True, "run": 7}},
    ],
    ids=str,
)
def test_whatever_a_file_says_it_is_refused_or_shown(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Of a run that is not the audit's own nothing is read."""
    with pytest.raises(DamagedRunError, match=r"audit\.json: cannot be read .*repeat the command"):
        read_audit(written(tmp_path, **changes))


def test_a_file_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path)
    (folder / "audit.json").write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(DamagedRunError, match=r"audit\.json: cannot be read"):
        read_audit(folder)


def test_a_run_that_failed_is_told_beside_the_successes(tmp_path: Path) -> None:
    folder = written(tmp_path)
    document = json.loads((folder / "audit.json").read_text())
    document["judgement"]["finalists"][0]["failed"] = 2
    (folder / "audit.json").write_text(json.dumps(document))
    assert read_audit(folder).finalists().rows[0][1] == "6 of 8, 2 failed"
