"""A rule that notes what a round's server receives, and takes whatever step it was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import PrivateAttr
from typing_extensions import override

from fedlens.core.custom import copy_tensors
from fedlens.defences.rule import Aggregate, Received, Rule

if TYPE_CHECKING:
    from torch import Tensor


class Witness(Rule):
    """A rule that notes what it receives and takes the step that it was told, by default none.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout, Received
        >>> from fedlens.studies.audit.witness import Witness
        >>> updates, alpha = torch.tensor([[1.0], [3.0]]), torch.tensor([0.5, 0.5]).double()
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> witness = Witness().told(torch.tensor([9.0]))
        >>> witness.aggregate(Received(updates, alpha, layout, Address.root(0))).update
        tensor([9.])
        >>> witness.seen.updates.flatten()
        tensor([1., 3.])
    """

    _seen: list[Received] = PrivateAttr(default_factory=list)
    _steps: list[Tensor] = PrivateAttr(default_factory=list)

    def told(self, step: Tensor) -> Witness:
        """Let it take this step, shape ``[d]``, from now on; return itself."""
        self._steps[:] = [step]
        return self

    @property
    def seen(self) -> Received:
        """A copy of what it received last."""
        return self._seen[-1]

    @override
    def aggregate(self, received: Received) -> Aggregate:
        self._seen.append(copy_tensors(received))
        return Aggregate(self._steps[0].clone() if self._steps else received.updates[0] * 0)
