"""Rounds that attackers play with the server that they assume and the clients that they anticipate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedlens.attacks.anticipation import Others
from fedlens.attacks.team import Team
from fedlens.attacks.utility import Utility, Worth
from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

FAR = 1e5
"""Units to where a leak is looked for: rules that ignore, select or saturate do the same there and twice as far."""
LEAST_LEAK, LARGEST_LEAK = 1e-7, 0.02
"""Less is rounding, more is seen on the first rungs of a ladder."""


class SimulatedRounds:
    """Simulated rounds, and what a team's updates are worth in each of them.

    They take as much memory as the updates of as many rounds.

    Attributes:
        team: what is known.
        utility: what global models are worth.
        others: the other clients.
        calls: how often the chain was called.
    """

    def __init__(self, team: Team, utility: Utility, others: Others) -> None:
        assert team.server is not None, "it needs the rule"
        self.team, self.others, self.calls = team, others, 0
        self.utility, self._server, self._all = utility, team.server, range(others.count)
        self._rows = [others.rows(number) for number in self._all]
        expected = self.same(others.centre)
        self._harmless = [
            utility.harmless(self._after(team.honest, number), self._after(expected, number)) for number in self._all
        ]

    def same(self, update: Tensor) -> Tensor:
        """Return what the members send if all send the same `update` (``[d]``), shape ``[k, d]``."""
        return update.expand(len(self.team.members), -1)

    def worth(self, update: Tensor, number: int) -> Worth:
        """Return what an `update` (``[d]``) that all members send is worth in a simulated round."""
        return self.utility.worth(self._after(self.same(update), number), self._harmless[number])

    def worths(self, rows: Tensor) -> tuple[Worth, ...]:
        """Return what the members' `rows` (``[k, d]``) are worth in each round."""
        return tuple(self.utility.worth(self._after(rows, n), self._harmless[n]) for n in self._all)

    def mean_model(self, update: Tensor) -> Tensor:
        """Return the mean global model after the rounds in which all members send the same `update` (``[d]``)."""
        return torch.stack([self._after(self.same(update), number) for number in self._all]).mean(dim=0)

    def leak(self, origin: Tensor, direction: Tensor, unit: float) -> float:
        """Return how much of a very long update the server passes on: a median and η times the mean, η α.

        It is 0 if that is nothing, or so much that a few units show it.

        Args:
            origin: the update from which it goes, shape ``[d]``.
            direction: where to, of length 1, shape ``[d]``.
            unit: in what the length is.
        """
        far, further = (self._after(self.same(origin + length * unit * direction), 0) for length in (FAR, 2 * FAR))
        passed = float((further - far).norm()) / (FAR * unit)
        return passed if LEAST_LEAK < passed < LARGEST_LEAK else 0.0

    def acceptance(self, rows: Tensor) -> float:
        """Return the share of rounds in which the members' `rows` (``[k, d]``) have a part in the server's step."""
        return sum(self._accepted(rows, number) for number in self._all) / len(self._all)

    def planned(self, rows: Tensor) -> dict[str, float]:
        """Return what is expected of the members' `rows` (``[k, d]``), as means over the rounds."""
        worths, idle = self.worths(rows), self.worths(torch.full_like(rows, torch.nan))
        count = len(self._all)
        return {
            "utility": sum(worth.gain for worth in worths) / count,
            "idle": sum(worth.gain for worth in idle) / count,
            "confidence": sum(worth.confidence for worth in worths) / count,
            "accuracy_cost": sum(worth.cost for worth in worths) / count,
            "acceptance": self.acceptance(rows),
        }

    def _after(self, rows: Tensor, number: int) -> Tensor:
        """Return the global model after a round in which the members send `rows` (``[k, d]``)."""
        self.calls += 1
        return self.team.received + self._server.step(torch.cat([self._rows[number], rows]))

    def _accepted(self, rows: Tensor, number: int) -> bool:
        """Tell whether a round's server takes something of some member's row (``[k, d]``)."""
        self.calls += 1
        weights = self._server.weights(torch.cat([self._rows[number], rows]))
        if weights is not None:
            return bool((weights[len(self._rows[number]) :] != 0).any())
        absent = torch.full_like(rows, torch.nan)
        return bool((self._after(rows, number) != self._after(absent, number)).any())
