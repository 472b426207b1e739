"""Live progress of runs in the terminal; a line a round where the output is no terminal."""

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text
from typing_extensions import override

from fedlens.experiment.experiment import Experiment, control_name
from fedlens.report.terminal.pace import duration
from fedlens.report.words import attack_name, headline, latest_words
from fedlens.runs.record import RoundRecord
from fedlens.simulation.callback import Callback


class Terminal(Callback):
    """The callback of ``fedlens run``."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._rounds = self._done = self._first = 0
        self._began = 0.0

    @override
    def begin(self, experiment: Experiment, done: int, *, twin: bool) -> None:
        heading = control_name(experiment) if twin else attack_name(experiment).replace("none", "no attack")
        self._console.print(Text.assemble((heading, "bold"), f": {headline(experiment)}"), highlight=False)
        if done:
            self._console.print(f"going on after round {done}", highlight=False)
        self._rounds, self._done, self._first, self._began = experiment.rounds, done, done, time.monotonic()
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, TextColumn("{task.fields[latest]}"), console=self._console)
            self._task = self._bar.add_task("rounds", total=self._rounds, completed=done, latest="")
            self._bar.start()

    @override
    def clients(self, done: int, total: int) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done + done / total, refresh=False)

    @override
    def round(self, record: RoundRecord) -> None:
        self._done = record.round
        target, backdoor = record.target, record.backdoor
        latest = latest_words(
            record.quality.accuracy,
            target.mean_confidence if target else None,
            backdoor.rate if backdoor else None,
            record.quality.mae,
        )
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, latest=latest)
            return
        pace = (time.monotonic() - self._began) / (self._done - self._first)
        eta = f"{duration(pace * (self._rounds - self._done))} left" if self._done < self._rounds else "done"
        self._console.print(f"round {self._done}/{self._rounds}: {latest}, {eta}", highlight=False)

    @override
    def end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    @override
    def remark(self, text: str) -> None:
        self._console.print(text, style="dim", highlight=False, markup=False)
