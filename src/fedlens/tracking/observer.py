"""A callback that feeds trackers, each in a thread of its own, so that tracking never stops or slows a run.

A tracker's error is reported once, and the run goes on without that tracker. After the run, a tracker has a few seconds
to catch up; then it is abandoned.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from typing_extensions import override

from fedlens.core.redaction import redacted
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.flat import flattened
from fedlens.runs.record import RoundRecord
from fedlens.simulation.callback import Callback
from fedlens.tracking.tracker import Tracker, metrics_of

PATIENCE = 10.0
"""Seconds that a tracker has to catch up after the run's end."""


class Tracking(Callback):
    """A callback that passes everything on to another one, and runs to trackers; controls go into the runs' curves."""

    def __init__(self, callback: Callback, trackers: Sequence[tuple[str, Tracker]], name: str) -> None:
        self._callback, self._name = callback, name
        self._feeds = [_Feed(word, tracker, callback.remark) for word, tracker in trackers]
        self._tracked = False

    @override
    def begin(self, experiment: Experiment, done: int, *, twin: bool) -> None:
        self._callback.begin(experiment, done, twin=twin)
        self._tracked = not twin
        if self._tracked:
            options = {"name": experiment.name, **flattened(experiment)}
            self._send(lambda tracker: tracker.begin(self._name, options))

    @override
    def clients(self, done: int, total: int) -> None:
        self._callback.clients(done, total)

    @override
    def round(self, record: RoundRecord) -> None:
        self._callback.round(record)
        if self._tracked:
            metrics = metrics_of(record)
            self._send(lambda tracker: tracker.round(record.round, metrics))

    @override
    def end(self) -> None:
        self._callback.end()

    @override
    def remark(self, text: str) -> None:
        self._callback.remark(text)

    def finish(self, files: list[Path]) -> None:
        """Pass on that the run is over and which files to show, and wait a little for the trackers."""
        self._send(lambda tracker: tracker.finish(files))
        for feed in self._feeds:
            feed.close()

    def _send(self, call: Callable[[Tracker], None]) -> None:
        for feed in self._feeds:
            feed.send(call)


class _Feed:
    """A thread that makes the calls of one tracker."""

    def __init__(self, word: str, tracker: Tracker, remark: Callable[[str], None]) -> None:
        self._word, self._tracker, self._remark = word, tracker, remark
        self._calls: SimpleQueue[Callable[[Tracker], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, daemon=True, name=f"tracking by {word}")
        self._thread.start()

    def send(self, call: Callable[[Tracker], None]) -> None:
        """Put a call into the queue."""
        self._calls.put(call)

    def close(self) -> None:
        """Wait until all calls are made, but no longer than `PATIENCE`."""
        self._calls.put(None)
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            word = redacted(self._word)
            self._remark(f"--track {word}: no answer within {PATIENCE:.0f} s; what it does not have is in the run")

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call(self._tracker)
            except Exception as error:
                reason = str(error).splitlines()[0] if str(error) else ""
                words = redacted(f"--track {self._word}: failed ({type(error).__name__}: {reason[:200]})")
                self._remark(f"{words}; the run goes on")
                return
