"""How far the cells of a sweep are, and how long it will take.

Rounds differ in cost between cells far more than within one. So the time of a round is kept for each kind of cell, and
a kind of which nothing is known yet is taken for the mean of those that are. Of the controls, only those being made are
counted: which others are in the cache already is known when their turn comes.
"""

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from fedlens.core.registry import name_of
from fedlens.experiment.experiment import Experiment
from fedlens.sweeps.tasks import Event


@dataclass
class _Progress:
    kind: Hashable
    played: int
    rounds: int
    control: str | None
    since: float


class Pace:
    """See the module.

    Args:
        left: the experiments that are not done, by their cells' keys.
        jobs: how many are played at a time.
        clock: tells the time, in seconds.
    """

    def __init__(self, left: Mapping[str, Experiment], jobs: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._left = dict(left)
        self._jobs = jobs
        self._clock = clock
        self._kinds = {key: kind(experiment) for key, experiment in left.items()}
        self._spent: dict[Hashable, tuple[float, int]] = {}
        self._at_work: dict[str, _Progress] = {}

    def note(self, event: Event) -> None:
        """Learn from an event."""
        now = self._clock()
        match event.kind:
            case "began":
                done, rounds, control = (event.content[name] for name in ("done", "rounds", "control"))
                known = kind(self._left[event.key].twin()) if control else self._kinds[event.key]
                self._at_work[event.key] = _Progress(known, done, rounds, control, now)
            case "round":
                progress = self._at_work[event.key]
                seconds, rounds = self._spent.get(progress.kind, (0.0, 0))
                self._spent[progress.kind] = seconds + now - progress.since, rounds + 1
                progress.played, progress.since = event.content["round"], now
            case "finished" | "unjudged" | "failed":
                self._at_work.pop(event.key, None)
                self._left.pop(event.key, None)

    def progress(self, key: str) -> tuple[int, int, str | None]:
        """Rounds played and to be played of what the cell is at, and what that is called if it is a control."""
        progress = self._at_work[key]
        return progress.played, progress.rounds, progress.control

    def seconds_left(self) -> float | None:
        """An estimate; ``None`` while no round has been played."""
        if not self._spent:
            return None
        known = {kind: seconds / rounds for kind, (seconds, rounds) in self._spent.items()}
        usual = sum(known.values()) / len(known)
        total = 0.0
        for key, experiment in self._left.items():
            rounds = experiment.rounds
            if (progress := self._at_work.get(key)) is not None:
                total += (progress.rounds - progress.played) * known.get(progress.kind, usual)
                rounds = experiment.rounds if progress.control else 0
            total += rounds * known.get(self._kinds[key], usual)
        return total / min(self._jobs, max(1, len(self._left)))


def kind(experiment: Experiment) -> Hashable:
    """What the time of an experiment's round mostly depends on."""
    attack = "" if experiment.attack is None else name_of("attack", experiment.attack)
    parts = [name_of(part, getattr(experiment, part)) for part in ("data", "model")]
    local = experiment.local
    return (*parts, attack, experiment.clients, experiment.cohort_size, local.epochs, local.steps, local.batch_size)
