"""The server's own samples, to validate with or to train on: training samples that no client holds.

A class-stratified draw, taken out before the samples are dealt to the clients. It is never the test set.
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
    from sklearn.model_selection import train_test_split

    strata = None if labels.is_floating_point() else _strata(labels.numpy())
    try:
        rest, taken = train_test_split(
            np.arange(len(labels)), test_size=count, stratify=strata, random_state=address.integer() % 2**32
        )
    except ValueError as error:
        least = max(len(labels) // 10, 1 if strata is None else len(np.unique(strata)))
        raise DataError(
            f"{option}: {count:,} of {len(labels):,} training samples cannot be set apart ({error}); set another "
            f"number, for example -o {option}={least}"
        ) from None
    return torch.from_numpy(np.sort(rest)), torch.from_numpy(np.sort(taken))


def _strata(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what each sample is drawn as, ``[n]``: its class, or -1 for a class that cannot be drawn from alone."""
    classes, sizes = np.unique(labels, return_counts=True)
    rare = int((sizes == 1).sum())
    rare += rare == 1  # and the next one, so that there are two samples to draw from
    return np.where(np.isin(labels, classes[np.argsort(sizes, kind="stable")[:rare]]), -1, labels)
