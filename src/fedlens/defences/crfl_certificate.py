"""Certified predictions of CRFL: a majority of noisy models, and the least change of the data that could turn it.

C. Xie, M. Chen, P.-Y. Chen, B. Li, *CRFL: Certifiably Robust Federated Learning against Backdoor Attacks* (ICML 2021).
The model w_T, clipped to ρ_T, is copied M = 1,000 times with noise N(0, σ²) each; the class that most copies predict is
the prediction. p_A is a lower bound of its probability and p_B an upper one of that of the next, each exceeded with
probability α at most, by Hoeffding's inequality (from memory):

    p = votes / M ∓ √(ln(1/α) / (2 M)).

With R malicious clients of which client i has the weight p_i and boosts by γ_i, and in τ_i local steps at the learning
rate η_i poisons q_i of its n_i samples in each batch, no change of poisoned samples of an L2 norm below

    √( −ln(1 − (√p_A − √p_B)²) σ² / (2 R L² Σ_i (p_i γ_i τ_i η_i q_i / n_i)² Π_t (2 Φ(ρ_t / σ_t) − 1)) )

changes the prediction. L is the Lipschitz constant of the loss's gradient in the data, and the product is over the
rounds after the attack's until the last. The theorem assumes one round of attack, plain steps of gradient descent and
the mean; of other training the number is none that is proven.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, log, prod, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.defences.crfl import clip_model
from fedlens.defences.norm_clipping import add_noise

if TYPE_CHECKING:
    from torch import Tensor


def smoothed_votes(
    predict: Callable[[Tensor], Tensor],
    weights: Tensor,
    *,
    rho: float,
    sigma: float,
    copies: int,
    classes: int,
    address: Address,
) -> Tensor:
    """Count which classes noisy copies of a model predict.

    Args:
        predict: returns the classes, int64, shape ``[n]``, that a model of the weights it is called with predicts.
        weights: of the model, shape ``[d]``; they are clipped to the norm `rho` first.
        rho: the largest norm.
        sigma: standard deviation of the noise.
        copies: how many copies (M).
        classes: how many classes there are.
        address: where the draws begin.

    Returns:
        The votes for each class, int64, shape ``[n, classes]``.

    Example:
        >>> import torch
        >>> from fedlens import Address
        >>> from fedlens.defences import smoothed_votes
        >>> positive = lambda weights: (torch.tensor([[1.0], [-1.0]]) @ weights > 0).long()
        >>> weights = torch.tensor([5.0])  # clipped to 1, which noise of 0.1 does not turn
        >>> smoothed_votes(positive, weights, rho=1, sigma=0.1, copies=10, classes=2, address=Address.root(0)).tolist()
        [[0, 10], [10, 0]]
    """
    clipped = clip_model(weights, rho)[0]
    votes: Tensor | None = None
    for copy in range(copies):
        noisy = clipped.clone()
        add_noise(noisy, sigma, address.at("copy", copy))
        predicted = predict(noisy.to(weights))
        counted = torch.nn.functional.one_hot(predicted, classes)
        votes = counted if votes is None else votes + counted
    if votes is None:
        raise ValueError("copies: at least one model has to vote")
    return votes


def vote_bounds(votes: Sequence[int], alpha: float = 0.001) -> tuple[float, float]:
    """Return bounds of the probabilities of the two classes with the most `votes`: p_A from below, p_B from above.

    Args:
        votes: those of each class.
        alpha: the probability with which each bound may be wrong.

    Example:
        >>> from fedlens.defences import vote_bounds
        >>> [round(bound, 4) for bound in vote_bounds([960, 40], alpha=0.001)]  # ± √(ln 1000 / 2000) = 0.0588
        [0.9012, 0.0988]
    """
    first, second = sorted(votes, reverse=True)[:2]
    total = sum(votes)
    margin = sqrt(log(1 / alpha) / (2 * total))
    return max(first / total - margin, 0.0), min(second / total + margin, 1.0)


def certified_radius(
    p_a: float, p_b: float, *, sigma: float, lipschitz: float, shares: Sequence[float], ratios: Sequence[float] = ()
) -> float:
    """Return the L2 norm of changes of the data up to which the prediction is certain; 0 if it is of none.

    Args:
        p_a: lower bound of the probability of the predicted class.
        p_b: upper bound of that of the next.
        sigma: standard deviation of the noise in the attack's round.
        lipschitz: the Lipschitz constant L.
        shares: p_i γ_i τ_i η_i q_i / n_i of each malicious client.
        ratios: ρ_t / σ_t of each round after that, until the last.

    Example:
        >>> from fedlens.defences import certified_radius
        >>> round(certified_radius(0.9, 0.1, sigma=1, lipschitz=1, shares=[1]) ** 2, 6)  # 0.510826 / 2
        0.255413
    """
    if p_a <= p_b:
        return 0.0
    apart = 1 - (sqrt(p_a) - sqrt(p_b)) ** 2
    surviving = prod(2 * NormalDist().cdf(ratio) - 1 for ratio in ratios)
    below = 2 * len(shares) * lipschitz**2 * sum(share**2 for share in shares) * surviving
    return sqrt(-log(apart) * sigma**2 / below) if apart > 0 and below > 0 else inf
