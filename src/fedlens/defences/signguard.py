"""SignGuard: drop updates of odd length or odd signs, clip what is left to the median norm, and take the mean.

J. Xu, S.-L. Huang, L. Song, T. Lan, *Byzantine-robust Federated Learning through Collaborative Malicious Gradient
Filtering* (ICDCS 2022). That is ``[signguard-filter, median-clip, mean]``: formulas, defaults and where we leave the
paper are said there. The median norm is that of all updates received. The paper's mean is plain; here clients have
their weights α_i, renormalised. The authors' code takes the lower of two medians for clipping; here both are the same.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat
from typing_extensions import override

from fedlens.defences.composed import Composed
from fedlens.defences.links import Link
from fedlens.defences.mean import Mean
from fedlens.defences.median_clip import MedianClip
from fedlens.defences.signguard_filter import SignGuardFilter


class SignGuard(Composed):
    """SignGuard: drop updates of odd length or odd signs, clip the others to the median norm, and take the mean.

    Attributes:
        lower: the least norm, as a multiple of the median (L).
        upper: the largest norm, as a multiple of the median (R).
        share: the share of entries whose signs are counted.
        clustering: by which method clients are put into clusters, ``mean-shift`` or ``dbscan``.
        variant: ``plain``, or ``sim`` and ``dist``, which also compare updates with the last step.
        action: whether clients that are flagged are left out (``reject``), or only recorded (``observe``).

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Chain, Server, Updates, server_step
        >>> chain = Chain.of("signguard")
        >>> chain.names
        ['signguard-filter', 'median-clip', 'mean']
        >>> updates = Updates.received(torch.tensor([[1.0], [2.0], [3.0], [100.0]]), torch.ones(4).double() / 4)
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> server = Server(1, torch.zeros(1), layout, (0, 1, 2, 3), Address.root(0))
        >>> server_step(chain.whole, updates, server, [stage.init(layout) for stage in chain.whole]).update
        tensor([1.8333])
    """

    lower: float = Field(0.1, ge=0)
    upper: PositiveFloat = 3.0
    share: float = Field(0.1, gt=0, le=1)
    clustering: Literal["mean-shift", "dbscan"] = "mean-shift"
    variant: Literal["plain", "sim", "dist"] = "plain"
    action: Literal["reject", "observe"] = "reject"

    @override
    def stages(self) -> tuple[Link, ...]:
        return SignGuardFilter(**dict(self)), MedianClip(), Mean()
