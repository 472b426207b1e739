"""Outliers among a round's clients, measured by the spread of the others.

F. E. Grubbs, *Procedures for Detecting Outlying Observations in Samples*, Technometrics 11 (1969): a single outlier
among n normal values is detected by its deleted residual (R. D. Cook and S. Weisberg, *Residuals and Influence in
Regression*, 1982)

    t_i = (x_i − mean of the others) / (s √(1 + 1/(n − 1))),    s the others' standard deviation,

which follows Student's t with ν = n − 2 degrees of freedom if client i is like the others. Over k statistics of n
clients, k n P(|t| ≥ |t_i|) values as extreme are expected in a round of honest clients: the number of false alarms of
A. Desolneux, L. Moisan and J.-M. Morel, *Meaningful Alignments*, International Journal of Computer Vision 40 (2000).

The others' spread, and not the median absolute deviation of all (B. Iglewicz and D. Hoaglin, *How to Detect and Handle
Outliers*, 1993), since one client is malicious, since n is small, and since its false alarms can be counted: at their
threshold of 3.5, four statistics of ten honest clients give a false alarm in 20 to 50 % of rounds. The price is that
several outliers hide each other.

Deviations: s is taken to be at least `resolution`, so that clients that agree to the last digit do not make the
slightest difference an outlier; and P(|t| ≥ |t_i|) is the normal 2 Φ(−z_i) with D. L. Wallace's approximation (*Bounds
on Normal Approximations to Student's and the Chi-Square Distributions*, Annals of Mathematical Statistics 30, 1959),

    z = (8ν + 1) / (8ν + 3) · √(ν log(1 + t²/ν)),

whose logarithm stays finite. It is at most 1 % too small, and for ten clients at most 6 % too large down to 1 in 4,000.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def deleted_residuals(values: Tensor, resolution: float) -> Tensor:
    """Return each client's distance from the others in standard errors.

    Args:
        values: statistics of each client, shape ``[n, k]``, float64.
        resolution: minimum for the standard deviation.

    Returns:
        Shape ``[n, k]``; 0 for fewer than three clients, whose others have no spread.
    """
    count, statistics = values.shape
    if count < 3:
        return torch.zeros_like(values)
    other = ~torch.eye(count, dtype=torch.bool, device=values.device)
    others = values.expand(count, count, statistics)[other].view(count, count - 1, statistics)
    error = others.std(1).clamp_min(resolution) * (1 + 1 / (count - 1)) ** 0.5
    residuals: Tensor = (values - others.mean(1)) / error
    return residuals


def rarity(residuals: Tensor) -> Tensor:
    """Return the number of false alarms of each client's most extreme residual, as -log10 of it.

    Args:
        residuals: of `deleted_residuals`, shape ``[n, k]``, float64.

    Returns:
        Shape ``[n]``; 0 if one value as extreme is expected in a round of honest clients, 2 if in a hundred rounds; the
        minimum, for fewer than three clients, is -log10(k n).
    """
    freedom = max(len(residuals) - 2, 1)
    extreme = residuals.abs().amax(1)
    z = (8 * freedom + 1) / (8 * freedom + 3) * (freedom * (extreme.square() / freedom).log1p()).sqrt()
    tail: Tensor = torch.special.log_ndtr(-z)
    return -(tail + log(2 * residuals.numel())) / log(10)
