"""Servers as a stranger would write them, for audits: with weaknesses of drawn sizes, without any, and without sense.

They owe nothing to the weaknesses that an audit plants itself. Most are NumPy's, know no effective weights, and have no
gradient.
"""

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import override

from fedlens.defences.detector import Detector, Inspection, Verdict
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates

Rows = NDArray[np.float32]


class InNumpy(Rule):
    """A rule that is a function of two arrays; derive from it and write `step`."""

    @override
    def aggregate(self, received: Received) -> Aggregate:
        weights = received.alpha.numpy().astype(np.float32)
        return Aggregate(torch.from_numpy(np.asarray(self.step(received.updates.numpy(), weights), np.float32)))

    def step(self, deltas: Rows, weights: Rows) -> NDArray[Any]:
        """Return the step of the server, shape ``[d]``, of ``deltas[n, d]`` and ``weights[n]``."""
        raise NotImplementedError


class SortNumpy(InNumpy):
    """The median, by sorting."""

    @override
    def step(self, deltas: Rows, weights: Rows) -> NDArray[Any]:
        in_order = np.sort(deltas, axis=0)
        middle = len(deltas) // 2
        return in_order[middle] if len(deltas) % 2 else (in_order[middle - 1] + in_order[middle]) / 2


class Drip(InNumpy):
    """The median, and a little of the mean on top.

    Attributes:
        share: how much of it.
    """

    share: float

    @override
    def step(self, deltas: Rows, weights: Rows) -> NDArray[Any]:
        return np.median(deltas, axis=0) + self.share * np.average(deltas, axis=0, weights=weights)


class Doorman(InNumpy):
    """The mean of those whose length is right, and the median if nobody's is.

    Attributes:
        shortest: the least length, in lengths of the median client.
        longest: the greatest.
    """

    shortest: float
    longest: float

    @override
    def step(self, deltas: Rows, weights: Rows) -> NDArray[Any]:
        lengths = np.linalg.norm(deltas, axis=1)
        lengths = lengths / np.median(lengths)
        guests = [row for row, length in zip(deltas, lengths, strict=True) if self.shortest <= length <= self.longest]
        return np.mean(guests, axis=0) if guests else np.median(deltas, axis=0)


class Rounded(InNumpy):
    """The mean of entries that are rounded, as for a narrow line.

    Attributes:
        unit: to what.
    """

    unit: float

    @override
    def step(self, deltas: Rows, weights: Rows) -> NDArray[Any]:
        return weights @ (np.rint(deltas / np.float32(self.unit)) * np.float32(self.unit))


class Combination(InNumpy):
    """The median, unless somebody knows the combination.

    Attributes:
        signs: 1 or -1 for each of an update's first entries; whoever has all of them right opens the mean.
    """

    signs: tuple[int, ...]

    @override
    def step(self, deltas: Rows, weights: Rows) -> NDArray[Any]:
        knows = (np.sign(deltas[:, : len(self.signs)]) == np.array(self.signs)).all(axis=1)
        return weights @ deltas if knows.any() else np.median(deltas, axis=0)


class Still(InNumpy):
    """A server that never moves."""

    @override
    def step(self, deltas: Rows, weights: Rows) -> NDArray[Any]:
        return np.zeros(deltas.shape[1])


class Deaf(InNumpy):
    """The mean of all but one.

    Attributes:
        ear: at which row it does not listen.
    """

    ear: int

    @override
    def step(self, deltas: Rows, weights: Rows) -> NDArray[Any]:
        heard = [row for row in range(len(deltas)) if row != self.ear]
        return np.mean(deltas[heard], axis=0)


class Trusting(InNumpy):
    """Believes what clients claim about their samples, and a little more than it should.

    Attributes:
        power: of the claimed weights; 1 is the mean.
    """

    power: float

    @override
    def step(self, deltas: Rows, weights: Rows) -> NDArray[Any]:
        claimed = weights**self.power
        return (claimed / claimed.sum()) @ deltas


class Flywheel(Rule):
    """A running mean of the medians, kept from round to round.

    Attributes:
        inertia: how much of the last step goes on.
        drip: how much of the mean is in every step.
    """

    inertia: float
    drip: float = 0.0

    @override
    def aggregate(self, received: Received) -> Aggregate:
        mean = received.alpha.float() @ received.updates
        fresh = received.updates.quantile(0.5, dim=0) + self.drip * mean
        running = received.state.get("running", torch.zeros_like(fresh))
        running = self.inertia * running + (1 - self.inertia) * fresh
        return Aggregate(running, state={"running": running})


class Shortener(Stage):
    """Shortens what is longer than most.

    Attributes:
        times: how many median lengths are let through.
    """

    kind: ClassVar[Kind] = "mixing"

    times: float

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        lengths = updates.rows.norm(dim=1)
        factors = (self.times * lengths.median() / lengths.clamp_min(1e-12)).clamp_max(1)
        return updates.mixed(torch.diag(factors)), state, Report()


class Nobody(Detector):
    """Rejects everybody."""

    @override
    def inspect(self, inspection: Inspection) -> Verdict:
        scores = torch.ones(len(inspection.updates), dtype=torch.float64)
        return Verdict(scores, scores > 0)
