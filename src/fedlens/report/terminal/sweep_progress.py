"""A sweep in the terminal: a live table of the cells at work and how long it will take; else a line a cell."""

from collections.abc import Callable, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.text import Text
from typing_extensions import override

from fedlens.experiment.cell import Cell
from fedlens.report.terminal.pace import Pace, duration
from fedlens.report.terminal.printing import PlainTable
from fedlens.report.words import latest_words
from fedlens.simulation.callback import Callback, Event


class SweepTerminal(Callback):
    """The callback of ``fedlens sweep``.

    Args:
        console: where to.
        name: the sweep's.
        cost: what is known beforehand of the minutes that cells take on 2 cores, without their controls.
    """

    def __init__(self, console: Console, name: str, cost: Callable[[Sequence[Cell]], float] | None = None) -> None:
        self._console = console
        self._name = name
        self._cost = cost
        self._cells: dict[str, Cell] = {}
        self._at_work: dict[str, str] = {}
        self._failed = self._done = 0
        self._live: Live | None = None

    @override
    def begin_sweep(self, cells: Sequence[Cell], done: Sequence[Cell], jobs: int) -> None:
        self._cells = {cell.key: cell for cell in cells}
        impossible = [cell for cell in cells if cell.experiment is None]
        self._done, self._failed = len(done), len(impossible)
        runnable = {cell.key: cell.experiment for cell in cells if cell.experiment is not None}
        left = {key: runnable[key] for key in runnable.keys() - {cell.key for cell in done}}
        self._pace = Pace(left, jobs)
        which = "cell" if len(cells) == 1 else "cells"
        todo = f"{len(done)} of them done already, {jobs} at a time" if left else "all that can be run is done already"
        if left and self._cost is not None:
            minutes = self._cost([cell for cell in cells if cell.key in left])
            todo += f"; about {duration(60 * minutes)} on 2 cores, controls aside"
        self._console.print(f"[bold]{escape(self._name)}[/bold]: {len(cells)} {which}, {todo}", soft_wrap=True)
        for reason in dict.fromkeys(cell.error for cell in impossible):
            alike = [cell for cell in impossible if cell.error == reason]
            others = f" (and {len(alike) - 1} more)" if len(alike) > 1 else ""
            self._say_failed(f"{alike[0]}{others}", reason)
        if self._console.is_terminal and left:
            self._live = Live(self._table(), console=self._console, refresh_per_second=4)
            self._live.start()

    @override
    def event(self, event: Event) -> None:
        cell = self._cells[event.key]
        self._pace.note(event)
        match event.kind:
            case "began" | "round":
                self._at_work[event.key] = _words(event) or self._at_work.get(event.key, "")
            case "finished":
                self._done += 1
                words = self._at_work.pop(event.key, "")
                if self._live is None:
                    self._console.print(f"{self._counts()}: {cell}: {words}", markup=False, soft_wrap=True)
            case "unjudged":
                self._done += 1
                self._at_work.pop(event.key, None)
                self._console.print(
                    f"Cannot be judged: {cell}: {event.content['reason']}", markup=False, soft_wrap=True
                )
            case "failed":
                self._failed += 1
                self._at_work.pop(event.key, None)
                self._say_failed(str(cell), event.content["reason"])
        if self._live is not None:
            self._live.update(self._table())

    def _say_failed(self, which: str, reason: str) -> None:
        self._console.print(f"[bold red]Failed:[/bold red] {escape(which)}: {escape(reason)}", soft_wrap=True)

    @override
    def end_sweep(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _counts(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        seconds = self._pace.seconds_left()
        left = f", {duration(seconds)} left" if seconds is not None else ""
        return f"{self._done} of {len(self._cells)} done{failed}{left}"

    def _table(self) -> Group:
        """Tabulate the cells at work."""
        table = PlainTable()
        for name in ("cell", "rounds", "", "latest"):
            table.add_column(name)
        for key, words in self._at_work.items():
            played, rounds, control = self._pace.progress(key)
            bar = ProgressBar(total=rounds, completed=played, width=16)
            label = f"{control}: {self._cells[key]}" if control else str(self._cells[key])
            table.add_row(label, f"{played}/{rounds}", bar, words)
        return Group(Text(self._counts()), table)


def _words(event: Event) -> str:
    """Say how the latest of a run's rounds ended."""
    if event.kind != "round":
        return ""
    content = event.content
    return latest_words(content["accuracy"], content["confidence"], content.get("asr"), content.get("mae"))
