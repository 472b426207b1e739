"""Tables and texts end their lines between words, whatever the terminal's width."""

import pytest
from rich.console import Console

from fedlens.report.terminal.fitting import bands, longest, shrunk, wrapped
from fedlens.report.terminal.printing import PlainTable


def printed(table: PlainTable, width: int) -> list[str]:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines() if line.strip(" ─")]


def test_a_percent_sign_stays_with_its_number() -> None:
    assert wrapped("an accuracy of 83.7 % (83.1 %, 9 %) is", 22).splitlines() == [
        "an accuracy of 83.7 %",
        "(83.1 %, 9 %) is",
    ]
    assert longest("median [95 %] of all") == len("median")
    assert longest("(83.1 %, 9)") == len("(83.1 %,")


def test_only_a_word_for_which_there_is_no_room_is_cut() -> None:
    assert wrapped("one extraordinary word", 8).splitlines() == ["one", "extraord", "inary", "word"]
    assert wrapped("as  it  is", 10) == "as  it  is"
    assert wrapped("two\n\nlines", 20) == "two\n\nlines"
    assert wrapped("日本 語", 4).splitlines() == ["日本", "語"]


def test_columns_without_room_go_below_beside_the_first_ones() -> None:
    assert bands([5, 4, 4, 4], keys=1, room=20, between=1) == [[0, 1, 2, 3]]
    assert bands([5, 4, 4, 4], keys=1, room=19, between=1) == [[0, 1, 2], [0, 3]]
    assert bands([5, 2, 4, 4], keys=2, room=14, between=1) == [[0, 1, 2], [0, 1, 3]]
    assert bands([5, 9], keys=1, room=3, between=1) == [[0, 1]]
    assert bands([5], keys=1, room=3, between=1) == [[0]]


def test_the_widest_column_gives_way() -> None:
    assert shrunk([10, 4, 6], [5, 4, 6], 16) == [6, 4, 6]
    assert shrunk([10, 4, 6], [5, 4, 6], 20) == [10, 4, 6]
    assert shrunk([10, 4], [9, 4], 5) == [9, 4]


def test_a_table_in_bands() -> None:
    table = PlainTable("name", "a column", "another 95 % column", title="the title", caption="the caption")
    table.add_row("first", "1.0", "0.5 % to 0.9 %")
    table.add_row("second", "2.0", "")
    assert printed(table, 60) == [
        "the title",
        " name    a column  another 95 % column",
        " first   1.0       0.5 % to 0.9 %",
        " second  2.0",
        "the caption",
    ]
    assert printed(table, 18) == [
        "the title",
        " name    a column",
        " first   1.0",
        " second  2.0",
        "         another",
        "         95 %",
        " name    column",
        " first   0.5 % to",
        "         0.9 %",
        " second",
        "the caption",
    ]


@pytest.mark.parametrize("width", [18, 25, 33, 60])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    table = PlainTable("setting", "rate", title="a title of several words", keys=1)
    table.add_column("malicious flagged", justify="right")
    table.add_row("module.of.somebody:AttackWithALongName(boost=10)", "100.0 %", "3 of 4")
    lines = printed(table, width)
    assert max(map(len, lines)) <= width
    assert "3 of 4" in " ".join(" ".join(lines).split())
    assert not [line for line in lines if line.strip().startswith("%")]
