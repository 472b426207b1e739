"""Loading an experiment's data, which a class of the user's may give."""

from pathlib import Path

from fedlens.custom import copy_tensors, is_custom
from fedlens.data.dataset import Data, Dataset


def load(data: Data, directory: Path | None = None) -> Dataset:
    """Load the data; what a custom class gives is copied, for it may keep and change it.

    Args:
        data: their description.
        directory: where the user keeps data files.

    Raises:
        DataError: they are missing or corrupt.
    """
    dataset = data.load(directory)
    return copy_tensors(dataset) if is_custom(data) else dataset
