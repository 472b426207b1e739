"""A table that cannot be read rightly is refused in a sentence that says where, and what to type; pasted, it helps."""

import re
import shlex
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from fedlens.core.errors import DataError, FedlensError
from fedlens.data.table import Table
from fedlens.runs.loading import load_experiment

GOOD = "age,region,paid\n" + "".join(f"{20 + n},{'ns'[n % 2]},{'ny'[n % 3 > 0]}\n" for n in range(30))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEDLENS_DATA", raising=False)


def having(column: str, values: list[str], text: str = GOOD) -> str:
    """The good table with another first column."""
    lines = text.splitlines()
    rows = [f"{values[n % len(values)]},{line}" for n, line in enumerate(lines[1:])]
    return "\n".join([f"{column},{lines[0]}", *rows, ""])


def line(number: int, instead: str) -> str:
    """The good table with another line."""
    lines = GOOD.splitlines()
    lines[number - 1] = instead
    return "\n".join([*lines, ""])


def refusal(content: str | bytes, *options: str) -> str:
    Path("mine.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FedlensError) as caught:
        load(*options)
    return str(caught.value)


def load(*options: str) -> None:
    base = ["data=table", "data.path=mine.csv", "model=census-mlp"]
    load_experiment("quickstart", [*base, *options]).data.load()


LABELLED = "age,paid\n" + "".join(f"{n},p{n}\n" for n in range(30))
NAMELESS = GOOD.partition("\n")[2].replace("n", "0").replace("s", "1").replace("y", "2")
EMPTY_ROWS = "age,region,paid\n\n,,\n  \n" + line(7, "old,n,y").partition("\n")[2]
KEYS = having("key", ["9007199254740993", "9007199254740994"])
KEY_LABELS = GOOD.replace("n\n", "9007199254740992\n").replace("y\n", "9007199254740993\n")
RARE = line(7, "26,n,perhaps").replace(",n\n", ",0\n").replace(",y", ",1")
CASES: dict[str, tuple[str | bytes, str, *tuple[str, ...]]] = {
    "empty": ("", "mine.csv: is empty; "),
    "blank": (" \n\n", "mine.csv: is empty; "),
    "header alone": ("age,region,paid\n", "mine.csv: has no rows; "),
    "one column": ("paid\nyes\nno\nyes\nno\n", "has no column beside paid, the label"),
    "one class": (line(1, "age,region,paid").replace("y", "n"), "column paid, the label, is 'n' in every row; "),
    "one row": ("a,b\n1,x\n", "column b, the label, is 'x' in every row; "),
    "two rows": ("a,b\n1,x\n2,y\n", "has no row left for test samples"),
    "short row": (line(7, "26,n"), "row 7 has 2 values, but there are 3 columns"),
    "long row": (line(7, "26,n,y,9"), "row 7 has 4 values, but there are 3 columns"),
    "open quote": (line(7, '26,"n,y'), "row 7 has "),
    "empty name": (line(1, ",region,paid"), "row 1, column 1 has no name"),
    "same name": (line(1, "age,age,paid"), "row 1 has the column age more than once"),
    "no names": (NAMELESS, "row 1 has values"),
    "workbook": (b"PK\x03\x04....", "is a workbook or an archive, not a CSV file; save it as CSV"),
    "compressed": (b"\x1f\x8b\x08....", "is compressed, not a CSV file"),
    "zero bytes": (b"a,b\n1\x002,3\n", "is no text in utf-8 (it has zero bytes)"),
    "mixed": (line(7, "old,n,y"), "row 7, column age: 'old' is no number, as 29 of 30 values are; "),
    "not finite": (line(7, "1e999,n,y"), "row 7, column age: is infinite, or larger than 1e+100; "),
    "large": (line(7, "-1e308,n,y"), "row 7, column age: is infinite, or larger than 1e+100; "),
    "prices": (having("price", ["$12", "$7.5"]), "row 2, column price: '$12' is not written as numbers are, 1234.5"),
    "shares": (having("share", ["12 %", "7"]), "row 2, column share: '12 %' is no number, as 15 of 30 values are"),
    "thousands apart": (having("x", ['"1,234.50"', '"999"']), "column x: '1,234.50' is no number, as 15 of 30"),
    "JSON": ('[{"a": 1}]\n', "is JSON, not CSV"),
    "a page": ("<!doctype html><p>404</p>\n", "is HTML or XML, not CSV"),
    "a title": ("My claims\n" + GOOD, "is row 1, 'My claims', no line of names? Delete what is above that"),
    "an id for a label": (LABELLED, "30 different words, too many for classes"),
    "label of two lines": (GOOD.replace(",y", ',"y\nes"'), r"'y\nes' is no class; use names on one line"),
    "no number for a label": (GOOD, "column paid: 'n' is no number", "data.types={paid: numeric}"),
    "other dates": (having("since", ["31/12/2020", "1/2/2021"]), "row 2, column since: '31/12/2020' is not written as"),
    "dates with points": (
        having("since", ["31.12.2020", "1.2.2021"]),
        "row 2, column since: '31.12.2020' is not written as dates are, 2026-12-31",
    ),
    "no day": (having("since", ["2020-01-01", "2020-02-30"]), "row 3, column since: there is no day '2020-02-30'"),
    "many words": (having("id", [f"x{n}" for n in range(30)]), "column id has 30 different words in 30 rows"),
    "missing": (line(7, ",n,y"), "row 7, column age: a value is missing, as in 1 of 30 rows; "),
    "no label": (line(7, "26,n,"), "row 7, column paid: a value is missing, as in 1 of 30 rows; "),
    "empty column": (having("x", [""]), "column x is empty; leave it out"),
    "thousands": (GOOD.replace(",", ";").replace("20;", "1,234;"), "'1,234' may have decimals, or thousands"),
    "dropped label": (GOOD, "data.drop: paid is the label", "data.label=paid", "data.drop=paid"),
    "all dropped": (GOOD, "data.drop: leaves out every column", "data.drop=[age,region,paid]"),
    "not the group": (GOOD, "data.group: there is no column ward; columns are age, region, paid", "data.group=ward"),
    "group and label": (GOOD, "data.group: paid is the label", "data.group=paid"),
    "not an encoding": (GOOD, "data.encoding: there is no 'utf8x'", "data.encoding=utf8x"),
    "a mistake below empty rows": (EMPTY_ROWS, "row 10, column age: 'old' is no number"),
    "a mistake below sep=": ("sep=;\n" + line(7, "old,n,y").replace(",", ";"), "row 8, column age: 'old'"),
    "a short row below sep=": ("sep=,\n" + line(7, "old,n"), "row 8 has 2 values"),
    "a name of pages": (line(1, "a" * 201 + ",region,paid"), "row 1, column 1: 'aaa"),
    "days as in Germany": (having("since", ["31.12.2020", "1.2.2021"]), "'31.12.2020' is not written as dates are"),
    "keys": (KEYS, "row 2, column key: 9007199254740993 has too many digits"),
    "labels that are keys": (KEY_LABELS, "column paid: 9007199254740993 has too many digits"),
    "no-break spaces": (having("x", ["1\xa0000", "2\u202f000"]), "row 2, column x: '1\\xa0000' is not written as"),
    "a rare word among labels": (RARE, "row 7, column paid: 'perhaps' is no number"),
    "lines in quotes": ("".join(f'"{row}"\n' for row in GOOD.splitlines()), "lines without quotes around all of each"),
    "types that do not fit": (GOOD, "row 2, column region: 'n' is no number", "data.types={region: numeric}"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_bad_file_is_refused_where_it_is_bad(name: str) -> None:
    content, said, *options = CASES[name]
    text = refusal(content, *options)
    assert text.startswith("mine.csv: ")
    assert said in text
    assert "; " in text
    assert "Traceback" not in text


QUANTITY = "\n".join(",".join(reversed(row.split(","))) for row in GOOD.splitlines())
PASTED: dict[str, tuple[str | bytes, str, *tuple[str, ...]]] = {
    "latin-1": (GOOD.replace(",n,", ",ñ,").encode("latin-1"), "line 2 is not in utf-8 (byte 19 is 0xf1)"),
    "UTF-16 without a mark": (GOOD.encode("utf-16-le"), "it has zero bytes"),
    "no names": (NAMELESS, "row 1 has values"),
    "id": (having("id", [f"x{n}" for n in range(30)]), "column id has 30"),
    "two ids": (having("a:b", [f"x{n}" for n in range(30)], having("it's", [f"x{n}" for n in range(30)])), "30 diff"),
    "mixed": (line(7, "old,n,y"), "'old' is no number"),
    "other dates": (having("since", ["31/12/2020", "1/2/2021"]), "since"),
    "missing": (line(7, ",n,y"), "a value is missing"),
    "missing label": (line(7, "26,n,"), "a value is missing"),
    "empty column": (having("x", [""]), "column x is empty"),
    "decimals": (GOOD.replace(",", ";").replace("20;", "1,234;"), "may have decimals"),
    "label": (GOOD, "there is no column payd; did you mean paid?", "data.label=payd"),
    "label that never differs": (GOOD.replace("y\n", "n\n"), "in every row"),
    "quantity": (QUANTITY, "too many for classes; predict the number"),
    "dropped": (GOOD, "there is no column ages; did you mean age?", "data.drop=ages"),
    "typed": (GOOD, "there is no column ages; did you mean age?", "data.types={ages: numeric}"),
    "both": (GOOD, "is the label", "data.group=paid"),
    "an odd delimiter": (GOOD.replace(",", ":"), "has no column beside age:region:paid, the label"),
    "keys": (KEYS, "has too many digits"),
    "labels that are keys": (KEY_LABELS, "has too many digits"),
    "a rare word among labels": (RARE, "'perhaps' is no number"),
    "days as in Germany": (having("since", ["31.12.2020", "1.2.2021"]), "since"),
    "delimiter": (GOOD, "row 1 has 1 values", "data.delimiter=;", "data.names=[a, b, c]"),
}


@pytest.mark.parametrize("name", PASTED)
def test_what_is_suggested_helps_when_it_is_pasted(name: str) -> None:
    content, said, *typed = PASTED[name]
    text = refusal(content, *typed)
    assert said in text
    texts = [text]
    while text:  # a remedy may lead to the next fault
        option = re.search(r"-o ('(?:[^']|'\"'\"')*'|\S+)", text)
        assert option, text
        typed += shlex.split(option[1].rstrip(",;"))
        text = said_of(*typed)
        assert text not in texts
        texts.append(text)


def said_of(*options: str) -> str:
    try:
        load(*options)
    except FedlensError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("data.delimiter=;;", "data.delimiter: a single mark or a tab is needed, not ';;'; e.g. -o 'data.delimiter=;'"),
        ("data.delimiter=é", "data.delimiter: a single mark or a tab is needed, not 'é'"),
        ("data.names=[a, a]", "data.names: there are two of a name"),
        ("data.test=mine.csv", "data: the test samples are the training samples; e.g. -o data.test=0.2"),
        ("data.test=0", "data.test: a number greater than 0 or a word is needed, not 0"),
        ("data.types={age: nummeric}", "data.types.age: 'numeric', 'category' or 'date' is needed, not 'nummeric'"),
        ("data.path=http://x/y.csv", "data.path: 'http://x/y.csv' is an address, but files are not downloaded"),
    ],
)
def test_an_impossible_option_is_refused(option: str, said: str) -> None:
    assert said in refusal(GOOD, option)


def test_a_file_that_is_not_there_says_where_it_was_looked_for() -> None:
    Path("claims.csv").write_text(GOOD)
    with pytest.raises(DataError) as caught:
        Table(path="claim.csv").load()
    assert str(caught.value) == (
        "claim.csv: there is no such file in the working directory; did you mean claims.csv? -o data.path=claims.csv"
    )
    Path("sub").mkdir()
    with pytest.raises(DataError, match=r"sub: is a folder; name the file in it"):
        Table(path="sub").load()
    with pytest.raises(DataError, match=r"there is no such file in the data directory, nor in the working directory"):
        Table(path="elsewhere.csv").load(Path("sub"))


def test_a_second_file_with_other_columns_is_refused() -> None:
    Path("mine.csv").write_text(GOOD)
    Path("test.csv").write_text(GOOD.replace("region", "place"))
    with pytest.raises(DataError, match=r"test.csv: has no column region, which mine.csv has; "):
        Table(path="mine.csv", test="test.csv").load()
    Path("test.csv").write_text(GOOD.replace("25,", "old,"))
    with pytest.raises(DataError, match=r"test.csv: row 7, column age: 'old' is no number"):
        Table(path="mine.csv", test="test.csv").load()
    Path("test.csv").write_text(GOOD.replace(",y\n", ",perhaps\n"))
    with pytest.raises(DataError, match=r"test.csv: row 3, column paid: no training sample is 'perhaps'"):
        Table(path="mine.csv", test="test.csv").load()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"a\nb": [1, 2] * 5, "y": ["u", "v"] * 5}, r"the schema, column 1: 'a\nb' is no name; write one on one line"),
        (
            {"a": [1, 2] * 5, "y": [[1], [2]] * 5},
            "column y, the label, holds list<element: int64>, not words or numbers; ",
        ),
        ({"a": [[1]] * 10, "y": ["u", "v"] * 5}, "column a holds list<element: int64>, not numbers, words or dates; "),
        ({"a": [2**53 + 1] * 10, "y": ["u", "v"] * 5}, "row 1, column a: 9007199254740993 has too many digits"),
        ({"a": [1, 2] * 5, "c": ["n", "s"] * 5, "y": [b"u"] * 10}, "name the column of classes: -o data.label=a"),
    ],
)
def test_a_parquet_file_with_other_types_is_refused(columns: dict[str, list[object]], said: str) -> None:
    parquet.write_table(pa.table(columns), "mine.parquet")
    with pytest.raises(DataError) as caught:
        Table(path="mine.parquet").load()
    assert str(caught.value).startswith("mine.parquet: ")
    assert said in str(caught.value)


def test_a_parquet_file_that_is_none_is_refused() -> None:
    for content in (b"", b"PAR1 and more", GOOD.encode()):
        Path("mine.parquet").write_bytes(content)
        with pytest.raises(DataError, match=r"mine.parquet: cannot be read as Parquet"):
            Table(path="mine.parquet").load()
