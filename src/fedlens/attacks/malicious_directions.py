"""Directions in which a global model gets nearer to what attackers want, for a search through a rule.

At the model g that the best update so far would make, with L the loss that they want to be small (the cross-entropy of
their targets, or for damage less that of their samples):

- −∇L(g), the steepest way, for rules that keep updates within a ball;
- −sign(∇L(g)) σ̂, with σ̂ the others' deviation by coordinate, for rules that look at each coordinate;
- `STEPS` steps of Adam on L from g;
- `JOINT_STEPS` steps of Adam on the loss of batches of their own samples plus `PULL` L, which keeps accuracy; for
  damage, on batches of their samples.

The rule has no part in them: its derivative is zero almost everywhere, or does not exist.

The last is also followed further and further from the global model that was received, and looked at where it has gone
so and so far: for rules that take only updates of certain lengths. Stretched to such a length, a shorter update costs
more accuracy than one that was trained until it was as long.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedlens.attacks.objective import CEILING
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.models.network import Network
from fedlens.training.local import LocalTraining, batches
from fedlens.training.optimizer_options import optimizer_options

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 15
JOINT_STEPS = 100
PULL = 0.2
"""Weight of what is wanted in these, beside their samples."""
PACE, OUTWARD_STEPS = 0.2, 400
"""Adam's learning rate on the way further out, in root mean squared entries of a client's update; steps at most."""
OUTWARD = tuple(0.8 * 1.2**number for number in range(11))
"""Lengths at which it is looked at, in lengths of a client's update."""
RATE = 0.2
"""Adam's learning rate, in root mean squared entries of a client's deviation."""
LEAST_RATE = 1e-6


class MaliciousDirections:
    """Directions of unit length.

    Attributes:
        wanted: inputs, and the classes wanted of them; for damage, samples that are to be mistaken.
        own: the attackers' samples.
        damage: whether the loss is to rise.
    """

    def __init__(
        self, network: Network, wanted: Samples, own: Samples, local: LocalTraining, deviation: Tensor, *, damage: bool
    ) -> None:
        self.wanted, self.own, self.damage = wanted, own, damage
        self._network, self._deviation = network, deviation
        self._rate = max(RATE * float(deviation.square().mean().sqrt()), LEAST_RATE)
        self._local = local

    def at(self, weights: Tensor, address: Address) -> Iterator[Tensor]:
        """Yield directions at a global model `weights`, of its shape ``[d]``; zero where there are no parameters.

        Args:
            weights: shape ``[d]``.
            address: where batches are drawn.
        """
        self._network.load(weights)
        self._backward(self.wanted)
        gradient = self._network.gradient.clone()
        found = [-gradient, -gradient.sign() * self._deviation]
        for each in (iter([None] * STEPS), self._batches(JOINT_STEPS, address)):
            for _ in self._trained(weights, each, self._rate):
                pass
            found.append(self._away(weights))
        for direction in found:
            length = float(direction.norm())
            if 0 < length < float("inf"):
                whole = torch.zeros_like(weights)
                whole[: len(direction)] = direction / length
                yield whole

    def outward(self, weights: Tensor, typical: float, address: Address) -> Iterator[Tensor]:
        """Yield updates of growing length, each of the shape ``[d]`` of `weights`.

        Args:
            weights: the global model from which they are trained, shape ``[d]``.
            typical: length of a client's update.
            address: where batches are drawn.
        """
        lengths = [length * typical for length in reversed(OUTWARD)]
        rate = max(PACE * typical / len(self._network.vector) ** 0.5, LEAST_RATE)
        for _ in self._trained(weights, self._batches(OUTWARD_STEPS, address), rate):
            away = self._away(weights)
            reached = float(away.norm())
            while lengths and reached >= lengths[-1] > 0:
                whole = torch.zeros_like(weights)
                whole[: len(away)] = away * (lengths.pop() / reached)
                yield whole
            if not lengths:
                return

    def _batches(self, steps: int, address: Address) -> Iterator[Samples]:
        plan = {"epochs": None, "steps": steps, "replacement": False, "augmentation": ()}
        return batches(self.own, self._local.model_copy(update=plan), address)

    def _away(self, weights: Tensor) -> Tensor:
        """Return how far the network is from a global model, shape ``[p]``."""
        return self._network.vector.detach() - weights[: len(self._network.vector)]

    def _trained(self, weights: Tensor, each: Iterator[Samples | None], rate: float) -> Iterator[None]:
        """Load a global model and take a step for each batch, with what is wanted in it; yield after each."""
        network = self._network
        network.load(weights)
        optimizer = optimizer_options("adam").new(network, rate)
        for batch in each:
            due = self._backward(batch if self.damage and batch is not None else self.wanted)
            if batch is not None and not self.damage:
                gradient = PULL * network.gradient
                with network.without_dropout():
                    network.backward(batch.x, batch.y)
                network.gradient.add_(gradient)
                due = True
            if due:
                optimizer.step()
            yield

    def _backward(self, samples: Samples) -> bool:
        """Leave the gradient of L on `samples` in the network; tell whether L can still be smaller."""
        with self._network.without_dropout():
            loss = float(self._network.backward(samples.x, samples.y))
        if self.damage:
            self._network.gradient.neg_()
            return loss < CEILING
        return loss > 0


def along(update: Tensor, parameters: int) -> list[Tensor]:
    """Return the direction of the first `parameters` of an `update` (``[d]``), if there is one."""
    direction = update.clone()
    direction[parameters:] = 0
    length = float(direction.norm())
    return [direction / length] if length else []
