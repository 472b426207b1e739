"""Norm filter: is an update longer than it should be?

Z. Sun, P. Kairouz, A. T. Suresh, H. B. McMahan, *Can You Really Backdoor Federated Learning?* (2019, arXiv
1911.07963): as boosted updates are long, a server may ignore those whose L2 norm is above a threshold M: ``max_norm``.
Without a threshold that is known beforehand, the median norm of the round gives the scale, as in J. Xu, S.-L. Huang,
L. Song, T. Lan, *Byzantine-robust Federated Learning through Collaborative Malicious Gradient Filtering* (SignGuard,
ICDCS 2022), whose first step keeps norms below 3 times the median (and above 0.1 times, which is not done here):
``factor``. An update is flagged if

    ‖δ_i‖₂ > M,    M = ``max_norm``, or ``factor`` times the median of all ‖δ_j‖₂.

The median of an even number is the mean of the middle two, as in SignGuard's filter, while its clipping takes the
lower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import PositiveFloat, model_validator
from typing_extensions import override

from fedlens.defences.detector import Detector, Inspection, Verdict
from fedlens.defences.histogram import TINY
from fedlens.defences.norm_clipping import norms
from fedlens.defences.over import Over, over_entries

if TYPE_CHECKING:
    from torch import Tensor

FACTOR = 3.0


def relative_norms(updates: Tensor) -> Tensor:
    """Return L2 norms of updates (shape ``[n, d]``) in units of their median; float64, shape ``[n]``.

    A median of less than 1e-7, as of updates of zeros, is taken for that.
    """
    lengths = norms(updates)
    return lengths / lengths.quantile(0.5).clamp(min=TINY)


class NormFilter(Detector):
    """A check for updates whose L2 norm is above a threshold, or above a multiple of the round's median.

    The score is the norm, or the norm divided by the median.

    Attributes:
        max_norm: flag norms above this.
        factor: flag norms above this multiple of the median; 3 if nothing is given. Give one of the two.
        over: the entries that count: ``parameters``, ``all`` (with running statistics), ``weights`` (without biases) or
            those of the ``last-layer``.

    Example:
        >>> import torch
        >>> from fedlens import Inspection, Layout
        >>> from fedlens.defences import NormFilter
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> updates, alpha = torch.tensor([[1.0], [2.0], [-2.0], [7.0]]), torch.ones(4).double() / 4
        >>> NormFilter().inspect(Inspection(1, torch.zeros(1), updates, alpha, layout)).scores.tolist()
        [0.5, 1.0, 1.0, 3.5]
    """

    later: ClassVar[frozenset[str]] = frozenset({"over"})

    max_norm: PositiveFloat | None = None
    factor: PositiveFloat | None = None
    over: Over = "parameters"

    @property
    @override
    def sees_buffers(self) -> bool:
        return self.over == "all"

    @model_validator(mode="after")
    def _one_of_two(self) -> NormFilter:
        if self.max_norm is not None and self.factor is not None:
            raise ValueError("give max_norm or factor, not both; e.g. -o 'checks=[{name: norm-filter, factor: 3}]'")
        return self

    @property
    @override
    def boundary(self) -> float:
        """The norm, or the multiple of the median norm, above which a client is flagged."""
        return self.max_norm or self.factor or FACTOR

    @override
    def inspect(self, seen: Inspection) -> Verdict:
        """Score by norm."""
        updates = over_entries(seen.updates, seen.layout, self.over)
        scores = norms(updates) if self.max_norm else relative_norms(updates)
        return Verdict(scores, scores > self.boundary)
