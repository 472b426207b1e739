"""The page on verdicts has the tables and the picture that the tool makes, and prose with the same numbers."""

import re

import pytest
import verdict_numbers
from verdict_numbers import PAGE, PICTURE, TABLES, picture, table


def rows(name: str) -> list[list[str]]:
    found = re.search(rf"<!-- {name}:.*?-->\n(.*?)\n<!-- end -->", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    _, _, *cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines())
    return cells


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_those_of_the_page(name: str) -> None:
    assert table(name) in PAGE.read_text("utf-8")


def test_the_picture_is_the_one_that_is_drawn() -> None:
    assert PICTURE.read_text("utf-8") == picture()


def test_the_prose_has_the_numbers_of_the_tables() -> None:
    prose = " ".join(PAGE.read_text("utf-8").split())
    [[_, ten, fixed_ten, five, fixed_five], one, two, _] = rows("holds")
    assert f"So {ten} seeds without a single success refute 10 %, and {five} refute 5 %." in prose
    assert f"more than the {fixed_ten} and {fixed_five} of a test" in prose
    assert f"with one or two it takes {one[1]} or {two[1]}]" in prose
    [[_, pairs, *_], *_] = rows("broken")
    assert f"takes {pairs} such seeds out of {pairs} in favour" in prose


def test_neither_verdict_is_likely_where_it_would_be_false() -> None:
    chances = {row[0]: [float(cell.removesuffix(" %")) for cell in row[1:]] for row in rows("expected")}
    assert all(max(chances[rate][0::2]) <= 5 for rate in ("0 %", "2 %", "5 %"))
    assert all(max(chances[rate][1::2]) <= 5 for rate in ("10 %", "20 %", "50 %", "90 %"))


def test_a_page_with_other_numbers_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    page, drawn = tmp_path / "verdict.md", tmp_path / "verdict.svg"
    monkeypatch.setattr(verdict_numbers, "PAGE", page)
    monkeypatch.setattr(verdict_numbers, "PICTURE", drawn)
    page.write_text("<!-- holds: by hand -->\n| 34 |\n<!-- end -->\n", "utf-8")
    drawn.write_text("", "utf-8")
    monkeypatch.setattr("sys.argv", ["verdict_numbers.py", "--check"])
    with pytest.raises(SystemExit, match=r"verdict\.md: has other numbers"):
        verdict_numbers.main()
    monkeypatch.setattr("sys.argv", ["verdict_numbers.py"])
    verdict_numbers.main()
    assert page.read_text("utf-8") == table("holds") + "\n"
    assert drawn.read_text("utf-8") == picture()
