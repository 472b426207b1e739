"""Loading an experiment's data, built in or custom."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from fedlens.core.custom import copy_tensors, is_custom
from fedlens.core.errors import DataError
from fedlens.core.random import Address, seeded
from fedlens.core.registry import name_of
from fedlens.data.checking import checked_dataset
from fedlens.data.dataset import Data, Dataset
from fedlens.data.downloads import named_directory

_KEPT: ContextVar[list[tuple[Data, Path | None, Dataset]] | None] = ContextVar("kept", default=None)
"""The data set that was loaded last, with its description and directory; ``None`` where nothing is kept."""


@contextmanager
def keeping_data() -> Iterator[None]:
    """Within the block, let `load` return the data set that it loaded last when it is asked for the same again.

    A custom one is loaded anew every time: it may have drawn its samples.
    """
    before = _KEPT.set([])
    try:
        yield
    finally:
        _KEPT.reset(before)


def load(data: Data, directory: Path | None = None) -> Dataset:
    """Load the data; check and copy those of a custom class, which might keep and change them.

    If it draws from global generators, it draws the same every time, whatever the experiment's seed is.

    Args:
        data: their description.
        directory: where the user keeps data files; by default the one that ``FEDLENS_DATA`` names, if it is set.

    Raises:
        DataError: they are missing, corrupt or malformed.
    """
    if not is_custom(data):
        return _loaded(data, directory)
    name = name_of("data", data)
    place = named_directory(directory)
    with seeded(Address.root(0).at("data")):
        dataset = checked_dataset(data.load(place), name)
    if data.regression() != (dataset.quantity is not None):
        told = "are quantities" if dataset.quantity is not None else "are classes"
        remedy = f"let regression(self) of its class return {dataset.quantity is not None}"
        raise DataError(f"{name}: labels {told}, as load returns them, but its class says otherwise; {remedy}")
    if chosen := [end for end in ("source", "target") if getattr(dataset, end) is not None]:
        options = " and ".join(f"target.{end}" for end in chosen)
        message = f"{name}: {' and '.join(chosen)} of a Dataset: better chosen by {options}"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
    return copy_tensors(dataset)


def _loaded(data: Data, directory: Path | None) -> Dataset:
    """Load built-in data, or take those that are kept."""
    kept = _KEPT.get()
    if kept is None:
        return data.load(directory)
    for *described, dataset in kept:
        if described == [data, directory]:
            return dataset
    kept.clear()  # one at a time, as they may be large
    dataset = data.load(directory)
    kept.append((data, directory, dataset))
    return dataset
