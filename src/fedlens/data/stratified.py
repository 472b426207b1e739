"""A test set drawn from the samples of a file that has none: of each class the same share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedlens.core.random import Address


def alike(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return one class for all samples, whose labels are quantities: any share of them is then as good."""
    return np.zeros(len(labels), dtype=np.int64)


def test_mask(labels: NDArray[np.int64], share: float, address: Address) -> NDArray[np.bool_]:
    """Draw the test samples.

    Of each class its share is drawn, rounded, but one at least and not all; of a class with a single sample none.

    Args:
        labels: the class of each sample, ``[n]``.
        share: of the samples, above 0 and below 1.
        address: of the draws; the result depends on nothing else.

    Returns:
        True for a test sample, ``[n]``.
    """
    mask = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        members = address.at("class", int(label)).generator().permutation(np.flatnonzero(labels == label))
        count = min(max(int(share * len(members) + 0.5), 1), len(members) - 1)
        mask[members[:count]] = True
    return mask
