"""Tracking that never stops or slows a run: trackers work in a thread of their own.

Whatever goes wrong there is said once, and the run goes on without that tracker. At the end it has a few seconds to
catch up; then it is left behind.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from fedlens.core.redaction import redacted
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.flat import flattened
from fedlens.simulation.callback import Observer
from fedlens.tracking.tracker import Tracker, metrics_of

PATIENCE = 10.0
"""Seconds that a tracker has after the run's end."""


class Tracking:
    """An `Observer` that tells another one, and the trackers of attacked runs; controls go into their curves."""

    def __init__(self, observer: Observer, trackers: Sequence[tuple[str, Tracker]], name: str) -> None:
        self._observer, self._name = observer, name
        self._lines = [_Line(word, tracker, observer.remark) for word, tracker in trackers]
        self._tracked = False

    def begin(self, experiment: Experiment, done: int, *, twin: bool) -> None:
        """See `Observer`."""
        self._observer.begin(experiment, done, twin=twin)
        self._tracked = not twin
        if self._tracked:
            options = {"name": experiment.name, **flattened(experiment)}
            self._tell(lambda tracker: tracker.begin(self._name, options))

    def clients(self, done: int, total: int) -> None:
        """See `Observer`."""
        self._observer.clients(done, total)

    def round(self, record: dict[str, Any]) -> None:
        """See `Observer`."""
        self._observer.round(record)
        if self._tracked:
            metrics = metrics_of(record)
            self._tell(lambda tracker: tracker.round(record["round"], metrics))

    def end(self) -> None:
        """See `Observer`."""
        self._observer.end()

    def remark(self, text: str) -> None:
        """See `Observer`."""
        self._observer.remark(text)

    def finish(self, files: list[Path]) -> None:
        """The run is over, with these files to show; give trackers a little time."""
        self._tell(lambda tracker: tracker.finish(files))
        for line in self._lines:
            line.close()

    def _tell(self, news: Callable[[Tracker], None]) -> None:
        for line in self._lines:
            line.send(news)


class _Line:
    """The way to one tracker."""

    def __init__(self, word: str, tracker: Tracker, remark: Callable[[str], None]) -> None:
        self._word, self._tracker, self._remark = word, tracker, remark
        self._waiting: SimpleQueue[Callable[[Tracker], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, daemon=True, name=f"tracking by {word}")
        self._thread.start()

    def send(self, news: Callable[[Tracker], None]) -> None:
        """Put `news` behind all that waits."""
        self._waiting.put(news)

    def close(self) -> None:
        """Wait until all is told, for so long as there is patience."""
        self._waiting.put(None)
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            word = redacted(self._word)
            self._remark(f"--track {word}: no answer within {PATIENCE:.0f} s; what it does not have is in the run")

    def _work(self) -> None:
        while (news := self._waiting.get()) is not None:
            try:
                news(self._tracker)
            except Exception as error:
                reason = str(error).splitlines()[0] if str(error) else ""
                words = redacted(f"--track {self._word}: failed ({type(error).__name__}: {reason[:200]})")
                self._remark(f"{words}; the run goes on")
                return
