"""The server's own samples, to validate with or to train on: training samples that no client holds.

A class-stratified draw, taken out before the samples are dealt to the clients. It is never the test set.
"""

import numpy as np
import torch

from fedlens.core.errors import DataError
from fedlens.core.random import Address
from fedlens.data.dataset import Samples


def set_apart(samples: Samples, count: int, address: Address, option: str = "validation") -> tuple[Samples, Samples]:
    """Take `count` samples out for the server, with the classes in the same proportions; return the others and these.

    Args:
        samples: the training samples, on the CPU.
        count: number of samples to take out.
        address: where the draw begins.
        option: the option that says how many.

    Raises:
        DataError: `count` is too large or too small for a draw from every class.
    """
    from sklearn.model_selection import train_test_split

    try:
        rest, taken = train_test_split(
            np.arange(len(samples)), test_size=count, stratify=samples.y.numpy(), random_state=address.integer() % 2**32
        )
    except ValueError as error:
        least = max(len(samples) // 10, len(set(samples.y.tolist())))
        raise DataError(
            f"{option}: {count:,} of {len(samples):,} training samples cannot be set apart ({error}); set another "
            f"number, for example -o {option}={least}"
        ) from None
    return samples.take(torch.from_numpy(np.sort(rest))), samples.take(torch.from_numpy(np.sort(taken)))
