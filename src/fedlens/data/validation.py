"""The server's own samples, to validate with or to train on: training samples that no client holds.

A class-stratified draw, taken out before the samples are dealt to the clients. It is never the test set. It is that of
scikit-learn's ``train_test_split``, number for number, but does not import that: of all that comes before the first
round, only PyTorch would take longer.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedlens.core.errors import DataError
from fedlens.core.random import Address


def set_apart(labels: Tensor, count: int, address: Address, option: str = "validation") -> tuple[Tensor, Tensor]:
    """Choose `count` samples for the server, with the classes in the same proportions; of quantities, any.

    Classes of a single sample are drawn as if they were one; if there is one such class, it goes with the next rarest.

    Args:
        labels: the class of each training sample, or its quantity, shape ``[n]``, on the CPU.
        count: number of samples to take out.
        address: where the draw begins.
        option: the option that says how many.

    Returns:
        The indices of the samples that are left to the clients, and of those taken out, both ascending, int64.

    Raises:
        DataError: `count` is too large or too small for a draw from every class.
    """
    strata = None if labels.is_floating_point() else _strata(labels.numpy())
    if (fault := _fault(len(labels), count, 1 if strata is None else len(np.unique(strata)))) is not None:
        reason, least = fault
        raise DataError(
            f"{option}: {count:,} of {len(labels):,} training samples cannot be set apart ({reason}); set another "
            f"number, for example -o {option}={least}"
        )
    random = np.random.RandomState(address.integer() % 2**32)
    taken = random.permutation(len(labels))[:count] if strata is None else _stratified(strata, count, random)
    left = np.ones(len(labels), bool)
    left[taken] = False
    return torch.from_numpy(np.flatnonzero(left)), torch.from_numpy(np.sort(taken))


def _fault(total: int, count: int, strata: int) -> tuple[str, int] | None:
    """Return why `count` of `total` samples in so many strata cannot be drawn, and a number that may be; else None."""
    least = max(total // 10, strata)
    if count >= total:
        return "nothing would be left for the clients", least
    if count < strata:
        return f"fewer than the {strata} classes", least
    if total - count < strata:
        return f"what is left to the clients would be fewer than the {strata} classes", least
    return None


def _stratified(strata: NDArray[np.int64], count: int, random: np.random.RandomState) -> NDArray[np.int64]:
    """Draw `count` indices, from each stratum in proportion to its size."""
    _, sizes = np.unique(strata, return_counts=True)
    left = _apportioned(sizes, len(strata) - count, random)
    _apportioned(sizes - left, count, random)  # is what is left, but scikit-learn draws for it
    members = np.split(np.argsort(strata, kind="stable"), np.cumsum(sizes)[:-1])
    taken = [each[random.permutation(len(each))][first:] for each, first in zip(members, left, strict=True)]
    return np.concatenate(taken)


def _apportioned(sizes: NDArray[np.int64], count: int, random: np.random.RandomState) -> NDArray[np.int64]:
    """Divide `count` in proportion to `sizes`, by largest remainders; a draw decides between equal ones."""
    shares = sizes / sizes.sum() * count
    whole = np.floor(shares)
    remainders = shares - whole
    for remainder in np.unique(remainders)[::-1]:
        missing = count - int(whole.sum())
        if missing == 0:
            break
        tied = np.flatnonzero(remainders == remainder)
        whole[random.choice(tied, size=min(len(tied), missing), replace=False)] += 1
    apportioned: NDArray[np.int64] = whole.astype(np.int64)
    return apportioned


def _strata(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what each sample is drawn as, ``[n]``: its class, or -1 for a class that cannot be drawn from alone."""
    classes, sizes = np.unique(labels, return_counts=True)
    rare = int((sizes == 1).sum())
    rare += rare == 1  # and the next one, so that there are two samples to draw from
    return np.where(np.isin(labels, classes[np.argsort(sizes, kind="stable")[:rare]]), -1, labels)
