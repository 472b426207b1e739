"""Every interval on the page of the study is one that its commands gave, as their tables have it."""

import re

import numpy as np
import pandas as pd
from pages import DOCS

STUDY = DOCS / "reproduction/study"
INTERVAL = re.compile(r"([+−]?\d+\.\d+)\** \[([+−]?\d+\.\d+), ([+−]?\d+\.\d+)\]")


def unknown(text: str, tables: list[pd.DataFrame]) -> list[str]:
    """The intervals in `text` that no row of the tables has, rounded as they are."""
    known = pd.concat(tables)[["mean", "low", "high"]].to_numpy()
    found = []
    for match in INTERVAL.finditer(text):
        numbers = [number.replace("−", "-") for number in match.groups()]
        halves = [0.5 * 10.0 ** -len(number.partition(".")[2]) + 1e-9 for number in numbers]
        if not (np.abs(known - np.array(numbers, dtype=float)) <= halves).all(axis=1).any():
            found.append(match[0])
    return found


def test_every_interval_is_in_a_table() -> None:
    text = (DOCS / "reproduction/success.md").read_text("utf-8")
    assert len(INTERVAL.findall(text)) > 50
    assert not unknown(text, [pd.read_csv(file) for file in sorted(STUDY.glob("*.csv"))])


def test_a_wrong_number_is_noticed() -> None:
    table = pd.DataFrame([{"mean": -0.1234, "low": -0.2, "high": 0.05}])
    assert not unknown("**−0.12** [−0.20, 0.05] and −0.123 [−0.2, +0.05]", [table])
    assert unknown("−0.12 [−0.20, 0.05], 0.12 [−0.20, 0.05], −0.12 [−0.21, 0.05]", [table]) == [
        "0.12 [−0.20, 0.05]",
        "−0.12 [−0.21, 0.05]",
    ]
