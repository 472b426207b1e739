"""The global model predicted from the malicious client's present weights, and malicious steps on it; ours.

Bhagoji et al. (ICML 2019) minimise the malicious loss of alternating minimisation at the client's own weights. A
boosted step soon satisfies it there, while the average gets only α_m of what is sent. Here losses are taken at

    g(w) = w_G^t + (1 − α_m) δ̃_m + α_m (w − start),

the global model that results if the others do what the client would do honestly: δ̃_m is its own benign update. Where
several attack, α_m is the weight of all of them, and each expects its team to do as it does. The paper's estimate, the
others' last step, is not used: it contains how they undid the last attack, not how they will undo this one, and made
the confidence swing from round to round.

The real model has less confidence than the predicted one, since a client's own update is that of its shard, and the
steps fit the prediction; the more so, the longer clients train. So a round aims at log-odds above the desired ones, by
the shortfall of earlier rounds whose outcome the client saw (an exponential mean, of weight 1/2).

The malicious step is the shortest one that brings the loss at g, linearised, down to the limit ℓ (B. T. Polyak's step
size, *Introduction to Optimization*, 1987):

    Δg = −(L(g) − ℓ) ∇L(g) / ‖∇L(g)‖²,    Δw = λ Δg.

It has no learning rate and, boosted by 1/α_m, cannot overshoot a convex loss. Dropout is off, as it is in use.

The benign steps minimise the shard's loss at w and at g. Those at w alone repair what boosted steps did to the client's
model, but not what is left of them in the average, which lost several points of accuracy.
"""

from __future__ import annotations

from math import exp, expm1, log, log1p
from typing import TYPE_CHECKING

from fedlens.attacks.attack import View
from fedlens.attacks.boosting import boosted
from fedlens.core.lazy import torch
from fedlens.data.dataset import Samples
from fedlens.training.local import train

if TYPE_CHECKING:
    from torch import Tensor

WEIGHT = 0.5
"""Weight of the last round's shortfall in the mean over rounds."""
LARGEST_LEAD = 10.0
"""Maximum lead in log-odds: with a server that rejects the update, the shortfall would grow without bound."""


class PredictedGlobalModel:
    """The predicted global model, as a function of the weights in a view's network."""

    def __init__(self, view: View, confidence: float, correction: Tensor | float = 0) -> None:
        """Train honestly to predict what the others will do, then load the view's weights again.

        Args:
            view: what the attack sees.
            confidence: confidence to reach in the target classes (geometric mean).
            correction: vector that will be added to the displacement from `view.weights` before sending, shape ``[d]``.
        """
        self._network, self._samples, self._alpha = view.network, view.auxiliary, view.team_alpha
        self._criterion = view.local.criterion
        benign = train(view.network, view.received, view.shard, view.local, view.address)
        self._rest = view.received + (1 - self._alpha) * benign + self._alpha * (correction - view.weights)
        self.lead = self._needed_lead(view)
        self._limit = log1p(exp(-(log(confidence / (1 - confidence)) + self.lead)))
        view.network.load(view.weights)

    def weights(self, present: Tensor) -> Tensor:
        """Predict the global model, given the `present` weights, both of shape ``[d]``."""
        return self._rest + self._alpha * present

    def backward(self, batch: Samples) -> None:
        """Leave the gradient of the loss on `batch` at w plus that at g in the network.

        With the first alone the malicious client's model recovers from the malicious steps, but not the global one.
        """
        network = self._network
        with network.at(self.weights(network.state())):
            network.backward(batch.x, batch.y, criterion=self._criterion)
        gradient = network.gradient.clone()
        network.backward(batch.x, batch.y, criterion=self._criterion)
        network.gradient.add_(gradient)

    def step(self, factor: float, *, weights_only: bool) -> bool:
        """Take the malicious step, boosted by `factor`, unless g has the confidence aimed at; tell whether it was due.

        Args:
            factor: λ.
            weights_only: do not boost biases.
        """
        network = self._network
        excess = self.loss() - self._limit
        squared = float(network.gradient.square().sum())
        due = excess > 0 and squared > 0
        if due:
            shortest = network.gradient * (-excess / squared)
            network.vector.data.add_(boosted(shortest, factor, network.layout, weights_only=weights_only))
        return due

    def loss(self) -> float:
        """Return the malicious loss at g without dropout, in nats; leave its gradient in the network."""
        network = self._network
        with network.at(self.weights(network.state())), network.without_dropout():
            return float(network.backward(self._samples.x, self._samples.target))

    def _needed_lead(self, view: View) -> float:
        """Return the lead of the round's aim, in log-odds: how far earlier rounds fell short of theirs, at least 0."""
        last = view.history[-1] if view.history else None
        if last is None or "lead" not in last.log:
            return 0.0
        lead = float(last.log["lead"])
        if last.round < view.round - 1:  # the client did not see its outcome
            return lead
        self._network.load(view.received)
        real = -float(view.wanted().mean())
        shortfall = _log_odds(last.log["expected_loss"]) - _log_odds(real)
        return min(max(0.0, (1 - WEIGHT) * lead + WEIGHT * shortfall), LARGEST_LEAD)


def _log_odds(loss: float) -> float:
    """Compute the log-odds log(p / (1 − p)) of a confidence p with −log p = `loss`."""
    loss = max(loss, torch.finfo(torch.float32).tiny)
    return -loss - log(-expm1(-loss))
