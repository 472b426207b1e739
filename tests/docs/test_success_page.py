"""Every number in the tables on the page of the study is one that its commands gave, as they are kept."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from pages import DOCS

STUDY = DOCS / "reproduction/study"
NUMBER = re.compile(r"[+−]?\d+\.\d+")
INTERVAL = re.compile(r"\[[+−]?\d+\.\d+, [+−]?\d+\.\d+\]")
MEANS = ["mean", "control_mean"]
SAID = {"metric", "at", "less", "runs", "seeds", "targets", *MEANS}
"""Columns that are no options."""


def rows(text: str) -> Iterator[tuple[str, list[str]]]:
    """The sweep named last, and the numbers in each row of each table but for its head and its first column."""
    sweep = ""
    for line, below in pairwise([*text.splitlines(), ""]):
        if named := re.search(r"grids/([\w-]+)\.yaml", line):
            sweep = named[1]
        is_row = line.startswith("|") and not line.startswith("|-") and not below.startswith("|-")
        if is_row and (numbers := NUMBER.findall(line.split("|", 2)[2])):
            yield sweep, numbers


def of_one_kind(table: pd.DataFrame) -> Iterator[np.ndarray]:
    """The numbers that a row may have: a metric's of all groups by the same options, or a group's of all metrics."""
    options = [name for name in table if name not in SAID]
    compared = table[options].notna().apply(tuple, axis=1)
    for columns in (["metric", "at", compared], options):
        for _, some in table.groupby(columns, dropna=False):
            yield some[MEANS].to_numpy().ravel()


def is_of(numbers: list[str], known: np.ndarray) -> bool:
    """Whether each number is one of these, rounded as it is."""
    found = [number.replace("−", "-") for number in numbers]
    halves = [0.5 * 10.0 ** -len(number.partition(".")[2]) + 1e-9 for number in found]
    return all((np.abs(known - float(number)) <= half).any() for number, half in zip(found, halves, strict=True))


def unknown(text: str, tables: Mapping[str, pd.DataFrame]) -> list[list[str]]:
    """The rows in `text` whose numbers are not of one kind in a table of the sweep: ``sweep``, or ``sweep-1``."""
    kinds = {name: list(of_one_kind(table)) for name, table in tables.items()}
    found = []
    for sweep, numbers in rows(text):
        own = [kind for name in kinds if re.fullmatch(rf"{sweep}(-\d)?", name) for kind in kinds[name]]
        if not any(is_of(numbers, kind) for kind in own):
            found.append(numbers)
    return found


def test_every_row_is_in_a_table() -> None:
    text = (DOCS / "reproduction/success.md").read_text("utf-8")
    by_round = [line for line in text.splitlines() if line.startswith("| the same by round")]
    text = text.replace(by_round[0], "")  # which the tables have not
    assert len(by_round) == 1
    assert sum(len(numbers) for _, numbers in rows(text)) > 150
    assert not unknown(text, {file.stem: pd.read_csv(file) for file in STUDY.glob("*.csv")})


def test_there_is_no_interval_on_the_page() -> None:
    """With three seeds none covers, and of the six of one sweep only means are kept."""
    assert not INTERVAL.search((DOCS / "reproduction/success.md").read_text("utf-8"))
    for file in STUDY.glob("*.csv"):
        assert not {"low", "high"} & set(pd.read_csv(file).columns)


def test_a_wrong_number_is_noticed() -> None:
    of = {"metric": "confidence", "at": "last round", "less": np.nan, "attack": ["a", "b"]}
    table = pd.DataFrame({**of, "mean": [-0.1234, 0.5], "control_mean": [0.2, 0.3]})
    table.loc[2] = ["accuracy", "last round", np.nan, "b", 0.9, 0.8]
    head = "grids/one.yaml\n| | 0.77 |\n|---|---|\n"
    assert not unknown(
        f"{head}| 0.66 | **−0.12** |\n| all | −0.123 | +0.50 | 0.20 |\n| b | 0.5 | 0.90 |\n", {"one-1": table}
    )
    wrong = f"{head}| all | 0.12 |\n| all | −0.12 | 0.51 |\n| a and b | −0.12 | 0.90 |\n"
    assert len(unknown(wrong, {"another": table})) == 3
    assert unknown(wrong, {"one": table}) == [["0.12"], ["−0.12", "0.51"], ["−0.12", "0.90"]]
