"""The server's own samples, to validate with or to train on: training samples that no client holds.

A class-stratified draw, taken out before the samples are dealt to the clients. It is never the test set.
"""

import numpy as np
import torch
from torch import Tensor

from fedlens.core.errors import DataError
from fedlens.core.random import Address


def set_apart(labels: Tensor, count: int, address: Address, option: str = "validation") -> tuple[Tensor, Tensor]:
    """Choose `count` samples for the server, with the classes in the same proportions; of quantities, any.

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

    classes = None if labels.is_floating_point() else labels.numpy()
    try:
        rest, taken = train_test_split(
            np.arange(len(labels)), test_size=count, stratify=classes, random_state=address.integer() % 2**32
        )
    except ValueError as error:
        least = max(len(labels) // 10, 1 if classes is None else len(set(classes.tolist())))
        raise DataError(
            f"{option}: {count:,} of {len(labels):,} training samples cannot be set apart ({error}); set another "
            f"number, for example -o {option}={least}"
        ) from None
    return torch.from_numpy(np.sort(rest)), torch.from_numpy(np.sort(taken))
