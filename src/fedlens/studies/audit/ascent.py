"""The step within a reach that is best for attackers, by projected gradient ascent.

What they want is what `fedlens.attacks.utility` says, without a price on accuracy: the mean log-odds of the classes
wanted of target samples, or of changed inputs; for damage, that samples are not taken for what they are; of a
regression, the squared error. Log-odds are capped, so that one sample is not pursued at the others' cost. The inputs
are the test set's own, which no attacker has.

From each of several starts, the step goes along the gradient: by its sign in a box, by its direction elsewhere, at
first as far as the reach is wide from its centre to its border. What leaves the reach is brought back, and a step
that does not help is halved. That finds local optima, and proves nothing about others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, log
from typing import TYPE_CHECKING, Literal

from fedlens.core.lazy import functional, torch
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.defences.reach import Reach
from fedlens.experiment.setting import Setting
from fedlens.goals.goal import NOTHING
from fedlens.models.network import Network

if TYPE_CHECKING:
    from torch import Tensor

MOST = 1000
"""So many test samples are ascended on at most."""
STEPS = 60
SHORTEST = 2.0**-8
"""Of a step, in units of the way from the centre to the border; where a halved one is shorter, the ascent ends."""
CAPS = {"confidence": 1 - 1e-6, "rate": 0.95, "damage": 0.95}
"""Probabilities whose log-odds are the most that counts."""

Measure = Literal["confidence", "rate", "damage"]


@dataclass(frozen=True)
class Seen:
    """What a model is to attackers.

    Attributes:
        value: what the goal measures: mean confidence, rate of hits, or share of mistakes.
        worth: what is ascended.
        gradient: of that, shape ``[d]``.
    """

    value: float
    worth: float
    gradient: Tensor


class Aim:
    """What attackers want of a model's answers to some samples.

    Args:
        network: a working copy of the model.
        samples: inputs, and the classes wanted of them; for damage their true ones.
        measure: the mean ``confidence`` in these classes, the ``rate`` of hits, or ``damage``, that of mistakes.
    """

    def __init__(self, network: Network, samples: Samples, measure: Measure) -> None:
        self._network, self._samples, self._measure = network, samples, measure
        self._cap = log(CAPS[measure] / (1 - CAPS[measure]))

    @classmethod
    def of(cls, setting: Setting, address: Address) -> Aim:
        """Return the aim of a setting's goal; of more than `MOST` samples, some are drawn at the address."""
        test, network = setting.dataset.test, setting.network()
        if setting.goal is None:
            assert setting.auxiliary is not None
            return cls(network, Samples(setting.auxiliary.x, setting.auxiliary.target), "confidence")
        wanted = setting.wanted(test.y) if setting.goal.asks else test.y
        rows = (wanted != NOTHING).nonzero()[:, 0] if setting.goal.asks else torch.arange(len(test))
        if len(rows) > MOST:
            rows = rows[torch.from_numpy(address.generator().permutation(len(rows))[:MOST]).to(rows.device)]
        chosen = test.take(rows)
        if not setting.goal.asks:
            return cls(network, chosen, "damage")
        return cls(network, Samples(setting.changed(chosen.x), wanted[rows.to(wanted.device)]), "rate")

    def at(self, weights: Tensor) -> Seen:
        """Return what a model of these weights (shape ``[d]``) is worth."""
        network = self._network
        network.load(weights)
        with network.without_dropout():
            worth, value = self._of(network.module(self._samples.x.clone()), self._samples.y)
            worth.backward()  # type: ignore[no-untyped-call]
        return Seen(value, float(worth.detach()), network.gradient.clone())

    def _of(self, answers: Tensor, labels: Tensor) -> tuple[Tensor, float]:
        """Return what answers ``[n, classes]`` are worth, and what the goal measures of them."""
        if self._network.regression:
            error = self._network.plain(answers, labels)
            return error, float(error.detach())
        rows = functional.log_softmax(answers, dim=1)
        chosen = rows.gather(1, labels[:, None])[:, 0]
        others = rows.scatter(1, labels[:, None], -inf).logsumexp(dim=1)
        hits = rows.argmax(dim=1) == labels
        measured = {"confidence": chosen.exp(), "rate": hits.double(), "damage": (~hits).double()}[self._measure]
        odds = others - chosen if self._measure == "damage" else chosen - others
        return odds.clamp(max=self._cap).mean(), float(measured.detach().mean())


def ascended(aim: Aim, weights: Tensor, reach: Reach, start: Tensor) -> Tensor:
    """Return the step with the best value that an ascent comes by, shape ``[d]``.

    Args:
        aim: says what a model is worth.
        weights: the global model, shape ``[d]``.
        reach: where the server's step can be.
        start: a step in it, shape ``[d]``.
    """
    point, here, size = start, aim.at(weights + start), 1.0
    found, best = point, here
    for _ in range(STEPS):
        there = reach.nearest(point + size * (reach.farthest(here.gradient) - reach.centre))
        seen = aim.at(weights + there)
        if (seen.value, seen.worth) > (best.value, best.worth):
            found, best = there, seen
        if seen.worth > here.worth:
            point, here = there, seen
        elif (size := size / 2) < SHORTEST:
            break
    return found


def ascents(aim: Aim, weights: Tensor, reach: Reach, known: Sequence[Tensor], address: Address) -> Iterator[Tensor]:
    """Yield the best step from each start: the centre, the border ahead of it, a drawn one, and steps that are `known`.

    Args:
        aim: says what a model is worth.
        weights: the global model, shape ``[d]``.
        reach: where the server's step can be.
        known: further starts, shape ``[d]`` each.
        address: where a direction is drawn.
    """
    drawn = torch.from_numpy(address.generator().standard_normal(len(weights))).to(weights)
    ahead = aim.at(weights + reach.centre).gradient
    for start in (reach.centre, reach.farthest(ahead), reach.farthest(drawn), *map(reach.nearest, known)):
        yield ascended(aim, weights, reach, start)
