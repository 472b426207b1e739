"""The audit's ledger: what stands in it is not measured again, and a line that is half written is."""

import json
from pathlib import Path

import pytest
from auditors import forked
from pydantic import TypeAdapter

from fedlens.core.errors import DamagedRunError
from fedlens.studies.audit.ledger import Ledger
from fedlens.studies.audit.screening import TRIED, Tried

NUMBER = TypeAdapter(float)


def never() -> float:
    raise AssertionError("measured again")


def test_a_measurement_survives_to_the_bit(tmp_path: Path) -> None:
    once = Tried(forked(1 / 3, cost=0.1, log={"acceptance": 1.0, "calls": 7.0, "why": None}))
    Ledger(tmp_path).add("fork", "a", TRIED, once)
    assert Ledger(tmp_path).get("fork", "a", TRIED) == once


def test_infinite_and_missing_numbers_survive(tmp_path: Path) -> None:
    Ledger(tmp_path).add("n", "inf", NUMBER, float("inf"))
    assert Ledger(tmp_path).once("n", "inf", NUMBER, never) == float("inf")
    Ledger(tmp_path).add("n", "failed", TRIED, Tried(None, "why"))
    assert Ledger(tmp_path).get("n", "failed", TRIED) == Tried(None, "why")


def test_the_first_entry_stands(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add("n", "a", NUMBER, 1)
    before = ledger.path.read_bytes()
    ledger.add("n", "a", NUMBER, 2)
    assert (ledger.path.read_bytes(), ledger.get("n", "a", NUMBER)) == (before, 1)


def test_of_two_lines_about_the_same_the_first_stands(tmp_path: Path) -> None:
    Ledger(tmp_path).add("n", "a", NUMBER, 1)
    line = json.dumps({"kind": "n", "key": "a", "value": 2})
    with (tmp_path / "plan.jsonl").open("a") as file:
        file.write(line + "\n")
    assert Ledger(tmp_path).get("n", "a", NUMBER) == 1


def test_lines_are_only_added(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add("n", "a", NUMBER, 1)
    before = ledger.path.read_bytes()
    ledger.add("n", "b", NUMBER, 2)
    assert ledger.path.read_bytes().startswith(before)
    assert ledger.keys("n") == Ledger(tmp_path).keys("n") == ["a", "b"]
    assert ledger.keys("m") == []


@pytest.mark.parametrize("left", [0, 1, 17, -1])
def test_a_line_that_was_being_written_is_measured_again(tmp_path: Path, left: int) -> None:
    ledger = Ledger(tmp_path)
    ledger.add("n", "a", NUMBER, 1)
    first = ledger.path.read_bytes()
    ledger.add("n", "b", NUMBER, 2)
    second = ledger.path.read_bytes()[len(first) :]
    ledger.path.write_bytes(first + second[:left])
    resumed = Ledger(tmp_path)
    assert resumed.once("n", "a", NUMBER, never) == 1
    assert resumed.once("n", "b", NUMBER, lambda: 2) == 2
    assert ledger.path.read_bytes() == first + second


@pytest.mark.parametrize("line", [b"{", b"[]", b"{}", b"\xff", b'{"kind": [], "key": "a", "value": 1}', b"7"])
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    Ledger(tmp_path).add("n", "a", NUMBER, 1)
    with (tmp_path / "plan.jsonl").open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(DamagedRunError, match=r"plan\.jsonl, line 2: no entry of an audit; choose another --out"):
        Ledger(tmp_path)


def test_a_value_of_another_form_is_named(tmp_path: Path) -> None:
    entry = {"kind": "n", "key": "a", "value": {"forked": 7}}
    (tmp_path / "plan.jsonl").write_text(json.dumps(entry) + "\n")
    with pytest.raises(DamagedRunError, match=r"plan\.jsonl: n a is damaged; choose another --out"):
        Ledger(tmp_path).get("n", "a", TRIED)
