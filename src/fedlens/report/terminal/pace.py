"""Progress of a sweep's cells, and an estimate of the time that is left.

The cost of a round differs far more between cells than within one. So the mean time of a round is kept for each kind of
cell, and a kind without any is taken to be as fast as the mean of the others. Of the controls, only those being made
are counted: whether others are in the cache already turns out when their turn comes.
"""

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from fedlens.core.registry import name_of
from fedlens.experiment.experiment import Experiment
from fedlens.simulation.callback import Event

DAY = 24 * 60 * 60


@dataclass
class _Progress:
    kind: Hashable
    rounds_done: int
    rounds: int
    control: str | None
    since: float


class Pace:
    """An estimate of a sweep's remaining time, fed with its events.

    Args:
        left: the experiments that are not done, by their cells' keys.
        jobs: how many run at once.
        clock: returns the time, in seconds.
    """

    def __init__(self, left: Mapping[str, Experiment], jobs: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._left = dict(left)
        self._jobs = jobs
        self._clock = clock
        self._kinds = {key: kind(experiment) for key, experiment in left.items()}
        self._spent: dict[Hashable, tuple[float, int]] = {}
        self._at_work: dict[str, _Progress] = {}

    def note(self, event: Event) -> None:
        """Update progress and times by an event."""
        now = self._clock()
        match event.kind:
            case "began":
                done, rounds, control = (event.content[name] for name in ("done", "rounds", "control"))
                of_kind = kind(self._left[event.key].twin()) if control else self._kinds[event.key]
                self._at_work[event.key] = _Progress(of_kind, done, rounds, control, now)
            case "round":
                progress = self._at_work[event.key]
                seconds, rounds = self._spent.get(progress.kind, (0.0, 0))
                self._spent[progress.kind] = seconds + now - progress.since, rounds + 1
                progress.rounds_done, progress.since = event.content["round"], now
            case "finished" | "unjudged" | "failed":
                self._at_work.pop(event.key, None)
                self._left.pop(event.key, None)

    def progress(self, key: str) -> tuple[int, int, str | None]:
        """Return rounds done and rounds in all of what the cell is at, and its name if that is a control."""
        progress = self._at_work[key]
        return progress.rounds_done, progress.rounds, progress.control

    def seconds_left(self) -> float | None:
        """Estimate the seconds left; ``None`` before the first round has ended."""
        if not self._spent:
            return None
        seconds_per_round = {kind: seconds / rounds for kind, (seconds, rounds) in self._spent.items()}
        usual = sum(seconds_per_round.values()) / len(seconds_per_round)
        total = 0.0
        for key, experiment in self._left.items():
            rounds = experiment.rounds
            if (progress := self._at_work.get(key)) is not None:
                total += (progress.rounds - progress.rounds_done) * seconds_per_round.get(progress.kind, usual)
                rounds = experiment.rounds if progress.control else 0
            total += rounds * seconds_per_round.get(self._kinds[key], usual)
        return total / min(self._jobs, max(1, len(self._left)))


def duration(seconds: float) -> str:
    """Format seconds as ``12 days``, ``1 h 05 min``, ``5 min`` or ``20 s``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, days = round(seconds / 60), round(seconds / DAY)
    if days > 2:
        return f"{days:,} days"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def kind(experiment: Experiment) -> Hashable:
    """Return what the time of an experiment's round mostly depends on."""
    attack = "" if experiment.attack is None else name_of("attack", experiment.attack)
    names = [name_of(kind, getattr(experiment, kind)) for kind in ("data", "model")]
    local = experiment.local
    return (*names, attack, experiment.clients, experiment.cohort_size, local.epochs, local.steps, local.batch_size)
