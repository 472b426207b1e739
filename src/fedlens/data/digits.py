"""Digits: 8×8 grey images of handwritten digits, small enough for a first run in seconds. scikit-learn ships them.

E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository, 1998,
doi 10.24432/C50P49 (its test set). The split into training and test samples is ours, and the same for every seed.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.about import About
from fedlens.data.dataset import Data, Dataset, Samples

_TRAIN = 1_437


class Digits(Data):
    """Handwritten digits, 8 × 8 pixels: small, for trying things out. scikit-learn ships them.

    Inputs are ``[n, 1, 8, 8]`` in [0, 1], in steps of 1/16.

    Example:
        >>> from fedlens.data import Digits
        >>> dataset = Digits().load()
        >>> len(dataset.train), len(dataset.test), dataset.shape
        (1437, 360, (1, 8, 8))
    """

    about = About(
        source="https://doi.org/10.24432/C50P49",
        citation="E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning "
        "Repository, 1998",
        licence="CC BY 4.0",
    )

    def load(self, directory: Path | None = None) -> Dataset:  # noqa: ARG002 - the file ships with scikit-learn
        """Load 1,437 training and 360 test samples.

        Args:
            directory: ignored.
        """
        scikit_learn = find_spec("sklearn")  # importing it would take longer than the rest of a short run
        assert scikit_learn is not None
        assert scikit_learn.origin is not None
        table = np.loadtxt(Path(scikit_learn.origin).parent / "datasets" / "data" / "digits.csv.gz", delimiter=",")
        # Unshuffled, the last samples would be by other writers than the first ones.
        order = torch.from_numpy(Address.root(0).at("digits").generator().permutation(len(table)))
        x = torch.from_numpy(table[:, :-1]).to(torch.float32).div_(16).reshape(-1, 1, 8, 8)
        samples = Samples(x, torch.from_numpy(table[:, -1]).to(torch.int64))
        return Dataset(
            train=samples.take(order[:_TRAIN]),
            test=samples.take(order[_TRAIN:]),
            classes=tuple("0123456789"),
        )
