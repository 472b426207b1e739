"""The committed page is what the committed records say, and anyone who has a checkout can make it again."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fedlens.reproduce.account import account
from fedlens.reproduce.evidence import Evidence, gather
from fedlens.reproduce.explained import FILE, explained_others
from fedlens.reproduce.judging import Judgement, judge
from fedlens.reproduce.page import page
from fedlens.reproduce.plain import as_json
from fedlens.reproduce.records import FOLDER, restore
from fedlens.reproduce.reproduction import others

COMMITTED = Path(__file__).parents[2] / "docs" / "reproduction"


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """The runs that the committed records lay out."""
    folder = tmp_path_factory.mktemp("reproduction")
    shutil.copytree(COMMITTED / FOLDER, folder / FOLDER)
    shutil.copy(COMMITTED / FILE, folder / FILE)
    assert restore(folder) > 0
    return gather(folder, "quick")


@pytest.fixture(scope="module")
def judgements(evidence: Evidence) -> list[Judgement]:
    """What they say of the claims."""
    return judge(evidence)


def test_every_record_is_a_run_of_a_panel(evidence: Evidence) -> None:
    assert evidence.unreadable == []
    assert len(evidence.every) == len(list((evidence.folder / "cells").iterdir()))
    assert len(explained_others(evidence, "fig4-constrained")) >= 6  # as remembered: the models are not there


def close(one: Any, other: Any) -> bool:
    """Equal but for what another processor's arithmetic does to the last digits."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, rel=1e-9, abs=1e-12)
    return type(one) is type(other) and bool(one == other)


def test_the_verdicts_are_those_of_the_records(evidence: Evidence, judgements: list[Judgement]) -> None:
    found = json.loads(json.dumps(as_json(judgements, evidence, account(evidence))))
    assert close(found, json.loads((COMMITTED / "claims.json").read_text()))


def test_every_round_is_that_of_the_records(evidence: Evidence) -> None:
    pd.testing.assert_frame_equal(evidence.table, pd.read_parquet(COMMITTED / "rounds.parquet"))


def test_the_page_is_that_of_the_records(evidence: Evidence, judgements: list[Judgement]) -> None:
    def text(lines: list[str]) -> list[str]:
        return [line for line in lines if line and not line.startswith("![")]

    committed = (COMMITTED / "README.md").read_text()
    assert text(committed.splitlines()) == text(
        list(page(judgements, evidence, account(evidence), {}, others(COMMITTED)))
    )
    pictures = re.findall(r"^!\[.*\]\((.+)\)$", committed, re.MULTILINE)
    assert sorted(pictures) == sorted(f"figures/{file.name}" for file in (COMMITTED / "figures").iterdir())
