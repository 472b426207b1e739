"""The natural partition: whoever made the samples is a client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import PositiveInt
from typing_extensions import override

from fedlens.core.errors import DataError
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.groups import Groups
from fedlens.data.partition import Partition, Shards

if TYPE_CHECKING:
    from torch import Tensor


class Natural(Partition):
    """A client for each natural owner, such as a writer or a hospital; several owners a client if there are more.

    Owners of fewer than `least` samples are left out. With as many clients as owners, client i is owner i; with fewer,
    owners are shuffled and dealt in turn. More clients than owners are refused.

    Attributes:
        least: number of samples that an owner has at least.

    Example:
        >>> import torch
        >>> from fedlens import Address
        >>> from fedlens.data import Groups, Natural
        >>> writers = Groups(names=("ann", "bob"), of=torch.tensor([0, 1, 1, 0, 1]))
        >>> Natural().deal(torch.zeros(5, dtype=torch.int64), writers, clients=2, address=Address.root(0)).indices(1)
        tensor([1, 2, 4])
    """

    least: PositiveInt = 1

    @override
    def deal(self, labels: Tensor, groups: Groups | None, clients: int, address: Address) -> Shards:
        if groups is None:
            raise DataError("partition: these data do not say who owns which sample; e.g. -o partition=dirichlet")
        of = groups.of.cpu().numpy()
        counts = np.bincount(of, minlength=len(groups.names))
        owners = np.flatnonzero(counts >= self.least)
        if len(owners) < clients:
            fewer = f" with {self.least} samples or more" if self.least > 1 else ""
            remedy = f"-o clients={len(owners)}" if len(owners) else "-o partition.least=1"
            raise DataError(
                f"partition: {clients:,} clients, but only {len(owners):,} owners of samples{fewer}; e.g. {remedy}"
            )
        if len(owners) > clients:
            owners = address.at("natural").generator().permutation(owners)
        client_of = np.full(len(groups.names), clients, dtype=np.int64)
        client_of[owners] = np.arange(len(owners)) % clients
        return Shards.of_owners(torch.from_numpy(client_of[of]), clients)
