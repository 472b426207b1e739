"""The distance constraint, which keeps a stealthy update near a reference.

Bhagoji et al., *Analyzing Federated Learning through an Adversarial Lens* (ICML 2019), section 3.3, add to the loss of
the benign steps a term that grows with the distance from w_ref; here

- ``l2``: (ρ/2) ‖w − w_ref‖²; ρ = 1e-4 is the authors' configuration;
- ``wasserstein``: ρ d W₁, the Wasserstein-1 distance between the empirical distributions of the d entries of the
  updates w − w_G^t and w_ref − w_G^t, which is the mean absolute difference of the sorted entries;
- ``total-variation``: ρ d TV, half the sum of absolute differences between the two histograms. A histogram with hard
  bins has no gradient, so each entry is shared between the two nearest of 501 centres on ±0.2 in proportion to its
  nearness; entries beyond lie at the last centre. Total variation does not see how far apart two masses are, so both
  histograms are smoothed by a Gaussian of `SMOOTHING` centres: an entry is pulled by what is missing within about
  three times that.

The paper names the last two without defining them. The factor d makes them sums over entries, as the L2 term is;
sorting makes the Wasserstein term the slowest, about 0.2 s a step for the paper's CNN. Under Adam, ρ is no fine
control: an entry that the loss leaves alone is pulled at the full learning rate however small its pull is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from fedlens.attacks.attack import View
from fedlens.core.config import Config
from fedlens.core.lazy import functional, torch
from fedlens.training.local import train

if TYPE_CHECKING:
    from torch import Tensor

BINS, LIMIT = 500, 0.2
SMOOTHING = 5.0


Distance = Callable[["Tensor"], "Tensor"]
"""Distance of a vector ``[m]`` from a fixed reference."""


def half_squared_l2(reference: Tensor) -> Distance:
    """Return ½ ‖update − reference‖² as a function of `update`, shape ``[m]``."""
    return lambda update: (update - reference).square().sum() / 2


def wasserstein(reference: Tensor) -> Distance:
    """Return the Wasserstein-1 distance between the distributions of entries, as a function of the update ``[m]``."""
    ranked = reference.sort().values
    return lambda update: (update.index_select(0, ranking(update)) - ranked).abs().mean()


def ranking(entries: Tensor) -> Tensor:
    """Return the indices that sort `entries` (``[m]``), int64."""
    if entries.device.type == "cpu":  # NumPy's sort is several times faster than PyTorch's
        return torch.from_numpy(np.argsort(entries.detach().numpy()))
    return entries.argsort()


def total_variation(reference: Tensor) -> Distance:
    """Return the total variation between the smoothed distributions of the entries of vectors ``[m]``; 0 to 1."""
    shares = soft_histogram(reference)
    return lambda update: smoothed(soft_histogram(update) - shares).abs().sum() / 2


def summed(distance: Distance) -> Distance:
    """Turn a distance per entry into one summed over all entries."""
    return lambda update: len(update) * distance(update)


def smoothed(shares: Tensor) -> Tensor:
    """Convolve a histogram (shape ``[k]``) with a Gaussian; the result is longer, so that nothing is lost."""
    reach = ceil(4 * SMOOTHING)
    distances = torch.arange(-reach, reach + 1, dtype=shares.dtype, device=shares.device)
    kernel = torch.exp(-((distances / SMOOTHING) ** 2) / 2)
    return functional.conv1d(shares[None, None], (kernel / kernel.sum())[None, None], padding=2 * reach).flatten()


def soft_histogram(entries: Tensor) -> Tensor:
    """Compute the share of `entries` (``[m]``) at each of ``BINS + 1`` equidistant centres; the shares add up to 1."""
    position = (entries.clamp(-LIMIT, LIMIT) + LIMIT) * (BINS / (2 * LIMIT))
    left = position.detach().floor().clamp(max=BINS - 1)
    right_share = position - left
    shares = torch.zeros(BINS + 1, dtype=entries.dtype, device=entries.device)
    shares = shares.index_add(0, left.long(), 1 - right_share).index_add(0, left.long() + 1, right_share)
    return shares / len(entries)


Norm = Literal["l2", "wasserstein", "total-variation"]

TERMS: Mapping[Norm, Callable[[Tensor], Distance]] = {
    "l2": half_squared_l2,
    "wasserstein": lambda reference: summed(wasserstein(reference)),
    "total-variation": lambda reference: summed(total_variation(reference)),
}


class Constraint(Config):
    """A term added to the benign steps' loss, which grows with the distance from a reference.

    Attributes:
        reference: ``global``: w_G^t; ``self``: where benign training of max(E, E_m) epochs leads; ``others``: w_G^t
            plus the estimate of the others' update, which is zero at the first selection.
        norm: ``l2``, ``wasserstein`` or ``total-variation``.
        rho: the term's weight ρ.

    Example:
        >>> from fedlens import Experiment
        >>> attack = {"name": "alternating-minimisation", "constraint": {"norm": "wasserstein", "rho": 0.01}}
        >>> Experiment(attack=attack).attack.constraint
        Constraint(reference='global', norm='wasserstein', rho=0.01)
    """

    reference: Literal["global", "self", "others"] = "global"
    norm: Norm = "l2"
    rho: float = Field(default=1e-4, gt=0)

    def find_reference(self, view: View, epochs: float) -> Tensor:
        """Return the weights w_ref, shape ``[d]``; ``self`` trains the view's network.

        Args:
            view: what the attack sees.
            epochs: its epochs E_m.
        """
        if self.reference == "global":
            return view.received
        if self.reference == "others":
            estimate = view.estimate()
            return view.received if estimate is None else view.received + estimate
        malicious = view.local.over(epochs)
        plan = max(view.local, malicious, key=lambda plan: plan.steps_for(len(view.shard)))
        return view.weights + train(view.network, view.weights, view.shard, plan, view.address.at("reference"))

    def term(self, reference: Tensor, received: Tensor, entries: Callable[[Tensor], Tensor]) -> Distance:
        """Return the term, as a differentiable function of the present weights w (shape ``[p]``).

        Args:
            reference: w_ref, shape ``[p]``: its parameters alone.
            received: w_G^t, shape ``[p]``.
            entries: selects the constrained entries, ``[p]`` to ``[m]``.
        """
        distance = TERMS[self.norm](entries(reference - received))
        return lambda weights: self.rho * distance(entries(weights - received))
