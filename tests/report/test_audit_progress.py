"""What ``fedlens audit`` says while it works."""

from io import StringIO

from rich.console import Console

from fedlens.report.terminal.audit_progress import AuditTerminal

HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"
"""The cursor, while a line changes and afterwards."""


def test_stages_are_lines_with_their_time_and_single_rounds_seldom() -> None:
    told = StringIO()
    times = iter([0.0, 5.0, 10.0, 36.0, 36.0, 50.0])
    terminal = AuditTerminal(Console(file=told, width=80), clock=lambda: next(times))
    terminal.stage("the server without attack")  # at 5 s
    terminal.step("early")  # at 10 s: 5 s after the last line
    terminal.step("late")  # at 36 s: 31 s after
    terminal.step("early again")
    assert told.getvalue() == "0:05 the server without attack\n0:36   late\n"


def test_a_terminal_has_one_line_that_changes_and_is_taken_away() -> None:
    told = StringIO()
    terminal = AuditTerminal(Console(file=told, width=80, force_terminal=True))
    terminal.step("seed 0, round 1: pgd; 3 to go")
    assert HIDDEN in told.getvalue()
    assert SHOWN not in told.getvalue()
    terminal.close()
    assert SHOWN in told.getvalue()
    terminal.close()
    terminal.stage("the verdict")
    assert told.getvalue().rstrip().split("\n")[-1].endswith("the verdict\x1b[0m")


def test_batches_without_anything_to_do_are_not_mentioned() -> None:
    told = StringIO()
    AuditTerminal(Console(file=told, width=80)).begin_sweep([], [], 1)
    assert not told.getvalue()
