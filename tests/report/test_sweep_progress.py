import io

import pytest
from rich.console import Console
from small import small

from fedlens.experiment.cell import Cell
from fedlens.report.terminal.pace import duration
from fedlens.report.terminal.sweep_progress import SweepTerminal
from fedlens.simulation.callback import Event

CELLS = [Cell({"seed": seed}, small(seed=seed, control=True)) for seed in range(3)]
IMPOSSIBLE = [Cell({"seed": -seed}, None, "seed: [too] small") for seed in (1, 2)]


def watched(*, terminal: bool) -> tuple[SweepTerminal, io.StringIO]:
    text = io.StringIO()
    return SweepTerminal(
        Console(file=text, force_terminal=terminal, no_color=True, highlight=False, width=150), "rules"
    ), text


def play(shown: SweepTerminal) -> None:
    shown.begin_sweep([*CELLS, *IMPOSSIBLE], CELLS[:1], 2)
    for control in ("benign twin", "client absent", None):
        shown.event(Event(CELLS[1].key, "began", {"control": control, "done": 0, "rounds": 3}))
        confidence = None if control else 0.25
        shown.event(Event(CELLS[1].key, "round", {"round": 1, "accuracy": 0.5, "confidence": confidence}))
    shown.event(Event(CELLS[1].key, "finished"))
    shown.event(Event(CELLS[2].key, "failed", {"reason": "[the] reason"}))
    shown.end_sweep()


def test_a_line_a_cell_where_there_is_no_terminal() -> None:
    shown, text = watched(terminal=False)
    play(shown)
    lines = text.getvalue().splitlines()
    assert lines[0] == "rules: 5 cells, 1 of them done already, 2 at a time"
    assert lines[1] == "Failed: seed=-1 (and 1 more): seed: [too] small"
    assert lines[2].startswith("2 of 5 done, 2 failed, ")
    assert lines[2].endswith("left: seed=1: accuracy 50.0 %, target confidence 0.250")
    assert lines[3:] == ["Failed: seed=2: [the] reason"]


def test_what_is_known_of_the_cost_is_of_what_is_left() -> None:
    text = io.StringIO()
    shown = SweepTerminal(Console(file=text, width=150), "rules", lambda cells: 40 * len(cells))
    shown.begin_sweep([*CELLS, *IMPOSSIBLE], CELLS[:1], 2)
    shown.begin_sweep(CELLS, CELLS, 2)
    first, *_, last = text.getvalue().splitlines()
    assert first.endswith("1 of them done already, 2 at a time; about 1 h 20 min on 2 cores, controls aside")
    assert last.endswith("all that can be run is done already")


def test_a_live_table_in_a_terminal() -> None:
    shown, text = watched(terminal=True)
    shown.begin_sweep([*CELLS, *IMPOSSIBLE], CELLS[:1], 2)
    shown.event(Event(CELLS[1].key, "began", {"control": "client absent", "done": 1, "rounds": 3}))
    shown.event(Event(CELLS[2].key, "began", {"control": None, "done": 0, "rounds": 3}))
    shown.event(Event(CELLS[2].key, "round", {"round": 2, "accuracy": 0.5, "confidence": 0.25}))
    shown.end_sweep()  # which draws it for the last time
    assert "1 of 5 done, 2 failed" in text.getvalue()
    rows = [line.split() for line in text.getvalue().splitlines() if "seed=" in line and "/3" in line]
    assert rows[-2][:4] == ["client", "absent:", "seed=1", "1/3"]
    assert rows[-1][:2] == ["seed=2", "2/3"]
    assert rows[-1][-2:] == ["confidence", "0.250"]


def test_that_nothing_is_left_is_said() -> None:
    shown, text = watched(terminal=True)
    shown.begin_sweep(CELLS[:1], CELLS[:1], 1)
    shown.end_sweep()
    assert text.getvalue() == "\x1b[1mrules\x1b[0m: 1 cell, all that can be run is done already\n"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (20, "20 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (3599, "1 h 00 min"),
        (3900, "1 h 05 min"),
        (180_000, "50 h 00 min"),
        (1_635_584_918, "18,930 days"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
