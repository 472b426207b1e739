"""Loading an experiment's data, which a class of the user's may give."""

from pathlib import Path

from fedlens.core.custom import copy_tensors, is_custom
from fedlens.core.random import Address, seeded
from fedlens.core.registry import name_of
from fedlens.data.checking import checked_dataset
from fedlens.data.dataset import Data, Dataset
from fedlens.data.downloads import named_directory


def load(data: Data, directory: Path | None = None) -> Dataset:
    """Load the data; what a custom class gives is checked, and copied, for the class may keep and change it.

    If it draws from global generators, it draws the same every time, whatever the experiment's seed is.

    Args:
        data: their description.
        directory: where the user keeps data files; by default the one that ``FEDLENS_DATA`` names, if it is set.

    Raises:
        DataError: they are missing or corrupt, or not what data have to be.
    """
    if not is_custom(data):
        return data.load(directory)
    place = named_directory(directory)
    with seeded(Address.root(0).at("data")):
        return copy_tensors(checked_dataset(data.load(place), name_of("data", data)))
