"""Clipping: limit the L2 norm of every update, and leave it to the rule what to do with them.

Z. Sun, P. Kairouz, A. T. Suresh, H. B. McMahan, *Can You Really Backdoor Federated Learning?* (2019, arXiv
1911.07963), section 4: with M the largest norm that an update may have,

    δ_i ← δ_i · min(1, M / ‖δ_i‖₂).

The paper then takes the weighted mean and may add noise: that is the rule `norm-clipping`, and ``[clip, mean]`` is the
same without noise. As a stage, clipping goes before any rule, too. (One that circulates, in ymir, multiplies by the
norm and clips nothing.)
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import PositiveFloat
from typing_extensions import override

from fedlens.defences.norm_clipping import clipping_details, clipping_factors, norms
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates

if TYPE_CHECKING:
    from torch import Tensor


def scaled(rows: Tensor, factors: Tensor, *, owned: bool = False) -> Tensor:
    """Multiply each row of `rows` (shape ``[m, d]``) by its factor (float64, ``[m]``), of which some may be tiny.

    That is done in the rows' own memory if they are `owned`.
    """
    product = rows if owned else rows.clone()
    for i in (factors != 1).nonzero().flatten().tolist():
        product[i] = rows[i].double() * factors[i]
    return product


class Clip(Stage):
    """Limit the L2 norm of every update.

    Attributes:
        max_norm: the largest L2 norm that an update may have (M).

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Clip, Server, State, Updates
        >>> updates = Updates.received(torch.tensor([[3.0, 4.0], [0.6, 0.8]]), torch.ones(2).double() / 2)
        >>> layout = Layout.of(torch.nn.Linear(2, 1, bias=False))
        >>> server = Server(1, torch.zeros(2), layout, (0, 1), Address.root(0))
        >>> Clip(max_norm=2.5).apply(updates, server, State())[0].rows
        tensor([[1.5000, 2.0000],
                [0.6000, 0.8000]])
    """

    kind: ClassVar[Kind] = "mixing"
    averages: ClassVar[bool] = True

    max_norm: PositiveFloat

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Clip rows; a clipped row counts for as much less in the effective weights."""
        lengths = norms(updates.rows)
        factors = clipping_factors(lengths, self.max_norm)
        mixture = None if updates.mixture is None else factors[:, None] * updates.mixture
        report = Report(details=clipping_details(lengths, lengths > self.max_norm))
        rows = scaled(updates.rows, factors, owned=updates.owned)
        return replace(updates, rows=rows, mixture=mixture), state, report
