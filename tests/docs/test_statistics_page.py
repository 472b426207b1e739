"""The tables of coverage are those that the tool makes, and what is chosen there covers."""

import re

import interval_coverage
import pytest
from interval_coverage import PAGE, TABLES, mean_cell, median_cell, table
from interval_methods import MEANS

from fedlens.analysis.intervals import COVERAGE

CHOSEN = ("**order statistics, of medians**", "**order statistics, of means**")


def rows(name: str) -> list[dict[str, str]]:
    """A table of the page, a mapping from head to cell for each row."""
    found = re.search(rf"<!-- {name}:.*?-->\n(.*?)\n<!-- end -->", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    head, _, *cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines())
    return [dict(zip(head, row, strict=True)) for row in cells]


def test_rates_are_those_of_the_page() -> None:
    assert table("rates") in PAGE.read_text("utf-8")


@pytest.mark.parametrize(("name", "design"), [(CHOSEN[0], (5, 2)), (CHOSEN[1], (6, 3)), (CHOSEN[0], (3, 3))])
def test_medians_are_those_of_the_page(name: str, design: tuple[int, int]) -> None:
    cells = {row["seeds × targets"]: row[name] for row in rows("medians")}
    assert median_cell(name, *design) == cells["{} × {}".format(*design)]


@pytest.mark.parametrize("name", ["percentiles", "Student's t"])
def test_means_are_those_of_the_page(name: str) -> None:
    assert list(rows("means")[0]) == ["seeds × targets", *MEANS]
    cells = {row["seeds × targets"]: row[name] for row in rows("means")}
    assert mean_cell(name, 5, 2) == cells["5 × 2"]


def test_what_is_chosen_covers_or_is_none_and_nothing_else_of_the_mean_would_be_better() -> None:
    chosen = [cell for name in TABLES for row in rows(name) for head, cell in row.items() if head.startswith("**")]
    assert len(chosen) > 30
    for cell in chosen:
        assert cell == "none" or min(map(float, cell.split(" / "))) >= COVERAGE
    for method in ("percentiles", "expanded percentiles", "BCa", "bootstrap-t", "Student's t"):
        of_five = [row[method] for row in rows("means") if row["seeds × targets"].startswith("5 ")]
        assert min(float(number) for cell in of_five for number in cell.split(" / ")) < COVERAGE


def test_a_page_with_other_numbers_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    page = tmp_path / "statistics.md"
    page.write_text(table("rates").replace("0.95", "0.96"), "utf-8")
    monkeypatch.setattr(interval_coverage, "PAGE", page)
    monkeypatch.setattr("sys.argv", ["interval_coverage.py", "--check", "rates"])
    with pytest.raises(SystemExit, match="not these numbers: rates"):
        interval_coverage.main()
    page.write_text(table("rates"), "utf-8")
    interval_coverage.main()
