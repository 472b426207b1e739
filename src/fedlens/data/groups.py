"""The natural owner of each sample: who wrote a character, in which hospital somebody was treated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Groups:
    """The natural owners of the training samples, which a partition can make the clients.

    Attributes:
        names: of the groups, all different; group i is ``names[i]``.
        of: number of the group that each training sample belongs to, shape ``[n]``, int64.

    Example:
        >>> import torch
        >>> from fedlens.data import Groups
        >>> writers = Groups(names=("ann", "bob"), of=torch.tensor([0, 1, 1]))
        >>> writers.take(torch.tensor([2, 0])).of
        tensor([1, 0])
    """

    names: tuple[str, ...]
    of: Tensor

    def take(self, indices: Tensor) -> Groups:
        """Return the owners of the samples at `indices` (``[m]``)."""
        return Groups(self.names, self.of.index_select(0, indices.to(self.of.device)))
