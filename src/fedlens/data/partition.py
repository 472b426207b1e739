"""Partitions of the training samples among the clients: a sample has at most one owner.

`Iid` is the paper's setting (Bhagoji et al., arXiv 1811.12470). `Dirichlet` skews the labels: for each class c the
clients' shares are drawn as q_c ~ Dir(α·1_K), and the samples of c are dealt in these shares. This variant is that of
M. Yurochkin et al., *Bayesian Nonparametric Federated Learning of Neural Networks*, ICML 2019 (arXiv 1905.12022), and
Q. Li et al., *Federated Learning on Non-IID Data Silos: An Experimental Study*, ICDE 2022 (arXiv 2102.02079);
T.-M. H. Hsu et al., *Measuring the Effects of Non-Identical Data Distribution for Federated Visual Classification*,
2019 (arXiv 1909.06335), draw each client's shares of the classes instead, which keeps the shards equal in size. Li et
al. draw again until each client has ten samples; here one is enough, unless an option says otherwise.

A client may have no sample where its partition allows that; such clients are never chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt

from fedlens.core.config import Config
from fedlens.core.errors import DataError
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.dataset import Dataset
from fedlens.data.groups import Groups

if TYPE_CHECKING:
    from torch import Tensor

_ATTEMPTS = 100


@dataclass(frozen=True, eq=False)
class Shards:
    """The samples of each client: client i has ``order[offsets[i]:offsets[i + 1]]``.

    Attributes:
        order: indices of the samples that are dealt, each once, ``[n]``, int64.
        offsets: where each client's part of `order` begins, and the end, ``[K + 1]``, int64.

    Example:
        >>> import torch
        >>> from fedlens import Shards
        >>> shards = Shards(order=torch.tensor([4, 0, 2, 1, 3]), offsets=torch.tensor([0, 2, 5]))
        >>> shards.sizes, shards.indices(1)
        (tensor([2, 3]), tensor([2, 1, 3]))
    """

    order: Tensor
    offsets: Tensor

    @classmethod
    def of_sizes(cls, order: Tensor, sizes: Tensor) -> Shards:
        """Return the shards of clients who get so many samples each (``[K]``), one after the other, from `order`."""
        return cls(order, torch.cat([sizes.new_zeros(1), sizes.cumsum(0)]))

    @classmethod
    def of_owners(cls, owners: Tensor, clients: int) -> Shards:
        """Return the shards of so many clients, where sample i is dealt to ``owners[i]`` (``[n]``); not if it is K."""
        sizes = torch.bincount(owners, minlength=clients)[:clients]
        return cls.of_sizes(owners.argsort(stable=True)[: int(sizes.sum())], sizes)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> Tensor:
        """Number of samples of each client, ``[K]``, int64."""
        return self.offsets.diff()

    def indices(self, client: int) -> Tensor:
        """Return the client's samples: a view of `order`, int64.

        Raises:
            IndexError: there is no such client.
        """
        if not 0 <= client < len(self):
            raise IndexError(f"there is no client {client}: they are 0 to {len(self) - 1}")
        return self.order[int(self.offsets[client]) : int(self.offsets[client + 1])]

    def class_counts(self, labels: Tensor, classes: int) -> Tensor:
        """Count each client's samples of each class, ``[K, classes]``, int64.

        Args:
            labels: the class of every sample, ``[n]``, int64, below `classes`.
            classes: the number of classes.
        """
        clients = torch.repeat_interleave(torch.arange(len(self)), self.sizes)
        cells = clients * classes + labels[self.order]
        return torch.bincount(cells, minlength=len(self) * classes).reshape(len(self), classes)


class Partition(Config):
    """A way to deal the samples to clients; derive from it to bring your own.

    Example:
        >>> import torch
        >>> from fedlens import Address, Partition, Shards
        >>> class Turns(Partition):
        ...     def split(self, labels, clients, address):
        ...         order = torch.cat([torch.arange(client, len(labels), clients) for client in range(clients)])
        ...         sizes = torch.tensor([len(range(client, len(labels), clients)) for client in range(clients)])
        ...         return Shards(order, torch.cat([torch.tensor([0]), sizes.cumsum(0)]))
        >>> Turns().split(torch.zeros(5, dtype=torch.int64), 2, Address.root(0)).indices(0)
        tensor([0, 2, 4])
    """

    by_class: ClassVar[bool] = False
    """Whether it deals samples by their classes, which those of a regression do not have."""

    def owned(self, dataset: Dataset, clients: int, directory: Path | None = None) -> Dataset:  # noqa: ARG002
        """Return the data set with the owners that the partition knows of; by default with those that it has.

        Args:
            dataset: the data, before any samples are set apart for the server.
            clients: the number K of clients.
            directory: where the user keeps data files, as in `fedlens.Data.load`.
        """
        return dataset

    def deal(self, labels: Tensor, groups: Groups | None, clients: int, address: Address) -> Shards:  # noqa: ARG002
        """Deal the samples of these natural owners; by default as `split` does, whoever owns them.

        Args:
            labels: as in `split`.
            groups: the natural owners of the samples, if they are known.
            clients: as in `split`.
            address: as in `split`.
        """
        return self.split(labels, clients, address)

    def split(self, labels: Tensor, clients: int, address: Address) -> Shards:
        """Deal the samples.

        Args:
            labels: the class of every sample, ``[n]``, int64; of a regression its quantity, float32.
            clients: the number K of clients.
            address: of the random draws; the result depends on nothing else.

        Raises:
            DataError: not every client can have a sample.
        """
        raise NotImplementedError


class Iid(Partition):
    """A uniform sample for every client; sizes differ by at most one.

    The samples are shuffled and cut; none is left over unless `samples` is given.

    Attributes:
        samples: total number of samples to deal, to make shards smaller; by default all.

    Example:
        >>> import torch
        >>> from fedlens import Address
        >>> from fedlens.data import Iid
        >>> Iid().split(torch.zeros(10, dtype=torch.int64), clients=3, address=Address.root(0)).sizes
        tensor([3, 3, 4])
    """

    samples: PositiveInt | None = None

    def split(self, labels: Tensor, clients: int, address: Address) -> Shards:
        """Deal the samples; see `Partition.split`."""
        samples = len(labels) if self.samples is None else self.samples
        if samples > len(labels):
            raise DataError(
                f"partition.samples: {samples:,} asked for, but there are only {len(labels):,}; "
                f"e.g. -o partition.samples={len(labels)}"
            )
        require_enough(samples, clients)
        order = address.at("iid").generator().permutation(len(labels))[:samples]
        offsets = np.arange(clients + 1, dtype=np.int64) * samples // clients
        return Shards(torch.from_numpy(order), torch.from_numpy(offsets))


class Dirichlet(Partition):
    """Label skew: each class is dealt in shares that are drawn from Dir(α·1_K).

    Attributes:
        alpha: α; the smaller, the fewer clients share a class. Large values approach equal shares.
        least: number of samples that each client has at least; drawn again until it is so. With 0, some may have none.

    Example:
        >>> import torch
        >>> from fedlens import Address
        >>> from fedlens.data import Dirichlet
        >>> labels = torch.arange(2).repeat_interleave(50)
        >>> shards = Dirichlet(alpha=0.1).split(labels, clients=3, address=Address.root(0))
        >>> shards.class_counts(labels, classes=2)
        tensor([[ 0, 49],
                [ 1,  0],
                [49,  1]])
    """

    by_class: ClassVar[bool] = True
    later: ClassVar[frozenset[str]] = frozenset({"least"})

    alpha: float = Field(default=0.5, ge=1e-3, le=1e6)
    least: NonNegativeInt = 1

    def split(self, labels: Tensor, clients: int, address: Address) -> Shards:
        """Deal the samples, drawing again while a client has too few; see `Partition.split`."""
        require_enough(len(labels), clients, self.least)
        classes = labels.cpu().numpy()

        def draw(attempt: int) -> Shards:
            generator = address.at("dirichlet", attempt).generator()
            return Shards.of_owners(torch.from_numpy(skewed_owners(classes, clients, self.alpha, generator)), clients)

        what = f"a Dirichlet split with alpha {self.alpha:g} of {len(labels):,} samples"
        return drawn_until(self.least, draw, what, self.alpha)


def drawn_until(least: int, draw: Callable[[int], Shards], what: str, alpha: float) -> Shards:
    """Return the first shards drawn that give each client at least so many samples.

    Args:
        least: that number.
        draw: draws the shards of an attempt, which are numbered from 0.
        what: what is drawn, for the message.
        alpha: the present option, of which a larger value helps.

    Raises:
        DataError: no attempt gives every client that many.
    """
    for attempt in range(_ATTEMPTS):
        if int((shards := draw(attempt)).sizes.min()) >= least:
            return shards
    short = "without samples" if least == 1 else f"with fewer than {least:,} samples"
    raise DataError(
        f"partition: {what} over {len(shards):,} clients left a client {short} in each of {_ATTEMPTS} draws; use a "
        f"larger alpha or fewer clients, e.g. -o partition.alpha={min(10 * alpha, 1e6):g}"
    )


def skewed_owners(
    labels: NDArray[np.int64], clients: int, alpha: float, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return each sample's client, ``[n]``: each class is dealt in shares drawn from Dir(α·1_K).

    The samples of a class are shuffled and cut at the cumulated shares, rounded down: a client's count is within one of
    its share.

    Args:
        labels: the class of every sample, ``[n]``.
        clients: the number K of clients; some may get no sample.
        alpha: α > 0.
        generator: source of the draws.
    """
    owners = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        shares = generator.dirichlet(np.full(clients, alpha))
        cuts = (shares.cumsum()[:-1] * len(members)).astype(np.int64)
        owners[members] = np.searchsorted(cuts, np.arange(len(members)), side="right")
    return owners


def require_enough(samples: int, clients: int, least: int = 1) -> None:
    """Check that so many samples can be dealt to so many clients, to each at least `least`.

    Raises:
        DataError: they cannot.
    """
    if clients < 1:
        raise DataError(
            f"partition: {clients} clients cannot share {samples:,} samples; use 1 client or more: -o clients=1"
        )
    if clients * least > samples:
        most, each = max(samples // least, 1), "one" if least == 1 else f"{least:,}"
        raise DataError(
            f"partition: {clients:,} clients cannot share {samples:,} samples, at least {each} each; "
            f"use at most {most:,} clients or more samples, e.g. -o clients={most}"
        )
