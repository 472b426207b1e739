"""Search for an update through rules that have no derivative: directions, and a ladder of lengths along each.

The objective of an update is the mean of what it is worth in simulated rounds plus half of the least. Each direction
is a ray from the best update so far, and is searched at the lengths R · {0.1, 0.3, 1, 3, 10, 30}, then at three times
as far for as long as that is better than the rung before. It need not be better than the best: of a rule that looks at
each coordinate, a step loses first what the best update has, and may gain more far off. The best rung is tried at √3
times less and more. Rungs are compared in the first two simulated rounds; the best of a ray is then tried in all of
them, and taken if it is better than the best so far. So the result is at least as good, in simulation, as every update
that it began with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import TYPE_CHECKING

from fedlens.attacks.utility import Worth

if TYPE_CHECKING:
    from torch import Tensor

LENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
FURTHER = 3.0
"""Ratio of a rung to the one before, beyond the last of these."""
LONGEST = 1e9
"""The longest rung: a leak of 1e-7 is found."""
SCREENING = 2
"""Simulated rounds in which rungs are compared."""
SHORTER = 0.8
"""Factor by which what was found is shortened. It stays a step away from where something is lost: lengths of others are
estimates, and rules that look at lengths lose everything there."""


@dataclass(frozen=True)
class Found:
    """An update that was tried.

    Attributes:
        update: shape ``[d]``.
        worths: what it is worth in each simulated round.
    """

    update: Tensor
    worths: tuple[Worth, ...]

    @property
    def value(self) -> float:
        """The objective."""
        return objective(self.worths)


class Search:
    """The search for an update.

    Attributes:
        best: the best update found.
        tried: number of simulated rounds that were played.
    """

    def __init__(self, worth: Callable[[Tensor, int], Worth], rounds: int, starts: Sequence[Tensor]) -> None:
        """Begin at the best of these starts.

        Args:
            worth: what an update (``[d]``) is worth in the simulated round of this number.
            rounds: number of simulated rounds.
            starts: updates to begin with, at least one.
        """
        self._worth, self._rounds, self.tried = worth, rounds, 0
        self.best = max((self.found(start) for start in starts), key=lambda found: found.value)

    def found(self, update: Tensor) -> Found:
        """Try an update in all simulated rounds."""
        return Found(update, self._worths(update, self._rounds))

    def climb(self, direction: Tensor, unit: float) -> bool:
        """Search a ray from the best update; tell whether there was a better one.

        Args:
            direction: shape ``[d]``.
            unit: R, in lengths of the direction.
        """
        origin, heights = self.best.update, {0.0: self._screened(self.best.update)}
        rungs = list(LENGTHS)
        for place, rung in enumerate(rungs):
            heights[rung] = self._screened(origin + rung * unit * direction)
            if rung == rungs[-1] and heights[rung] > heights[rungs[place - 1]] and rung < LONGEST:
                rungs.append(rung * FURTHER)
        best = max(heights, key=lambda rung: heights[rung])
        if not best:
            return False
        for rung in (best / sqrt(FURTHER), best * sqrt(FURTHER)):
            heights[rung] = self._screened(origin + rung * unit * direction)
        best = max(heights, key=lambda rung: heights[rung])
        return self.take(origin + best * unit * direction)

    def take(self, update: Tensor) -> bool:
        """Try an update, and take it if it is better than the best; tell whether it is."""
        found = self.found(update)
        if found.value <= self.best.value:
            return False
        self.best = found
        return True

    def shorten(self, origin: Tensor) -> None:
        """Bring the best update nearer to the `origin` (``[d]``) for as long as nothing is lost, nor a step further."""

        def shorter(found: Found) -> Found:
            return self.found(origin + SHORTER * (found.update - origin))

        ahead = shorter(self.best)
        while not bool((ahead.update == self.best.update).all()):
            further = shorter(ahead)
            if min(ahead.value, further.value) < self.best.value:
                return
            self.best, ahead = ahead, further

    def _screened(self, update: Tensor) -> float:
        return objective(self._worths(update, min(SCREENING, self._rounds)))

    def _worths(self, update: Tensor, rounds: int) -> tuple[Worth, ...]:
        self.tried += rounds
        if not bool(update.isfinite().all()):
            return (Worth(-inf, -inf, 0.0, 1.0),) * rounds
        return tuple(self._worth(update, number) for number in range(rounds))


def objective(worths: Sequence[Worth]) -> float:
    """Return the mean of what an update is worth, plus half of the least."""
    values = [worth.value for worth in worths]
    return sum(values) / len(values) + min(values) / 2
