"""Few classes a client: samples sorted by class, cut into equal pieces, of which every client gets some.

The pathological split of McMahan et al., *Communication-Efficient Learning of Deep Networks from Decentralized Data*
(AISTATS 2017), section 3: 200 pieces of 300 MNIST images, two for each of 100 clients, most of which have two classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import PositiveInt
from typing_extensions import override

from fedlens.core.errors import DataError
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.partition import Partition, Shards, require_enough

if TYPE_CHECKING:
    from torch import Tensor


class LabelShards(Partition):
    """Pieces of the samples sorted by class; within a class, their order is random.

    Attributes:
        pieces: how many each client gets; about as many classes it has.

    Example:
        >>> import torch
        >>> from fedlens import Address
        >>> from fedlens.data import LabelShards
        >>> labels = torch.arange(4).repeat_interleave(10)
        >>> LabelShards(pieces=1).split(labels, clients=4, address=Address.root(0)).class_counts(labels, classes=4)
        tensor([[10,  0,  0,  0],
                [ 0,  0, 10,  0],
                [ 0, 10,  0,  0],
                [ 0,  0,  0, 10]])
    """

    by_class: ClassVar[bool] = True

    pieces: PositiveInt = 2

    @override
    def split(self, labels: Tensor, clients: int, address: Address) -> Shards:
        require_enough(len(labels), clients)
        count = clients * self.pieces
        if count > len(labels):
            most = len(labels) // clients
            raise DataError(
                f"partition.pieces: {count:,} pieces of {len(labels):,} samples leave some empty; "
                f"e.g. -o partition.pieces={most}"
            )
        generator = address.at("label-shards").generator()
        shuffled = generator.permutation(len(labels))
        by_class = shuffled[labels.cpu().numpy()[shuffled].argsort(kind="stable")]
        cuts = np.arange(count + 1, dtype=np.int64) * len(labels) // count
        dealt = generator.permutation(count)
        order = np.concatenate([by_class[cuts[piece] : cuts[piece + 1]] for piece in dealt])
        sizes = (cuts[dealt + 1] - cuts[dealt]).reshape(clients, self.pieces).sum(axis=1)
        return Shards.of_sizes(torch.from_numpy(order), torch.from_numpy(sizes))
