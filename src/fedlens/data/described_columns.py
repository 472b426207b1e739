"""The columns of a data set whose description says what they are, for readers that ask the data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from fedlens.data.columns import Columns
from fedlens.data.dataset import Data, Dataset

if TYPE_CHECKING:
    from torch import Tensor


class DescribedColumns(Columns):
    """What `Data.features`, `Data.encoded` and `Data.words` say; no features if inputs are not records."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self.features = data.features() or ()

    @override
    def encoded(self, feature: str, value: float | str) -> dict[int, float]:
        return self._data.encoded(feature, value)

    @override
    def words(self, record: Tensor) -> dict[str, str]:
        return self._data.words(record)


def columns_of(data: Data, dataset: Dataset) -> Columns:
    """Return what the columns of records are: as the data set says, or else its description.

    Args:
        data: the description.
        dataset: what it loaded.

    Example:
        >>> from fedlens.data import Digits
        >>> from fedlens.data.described_columns import columns_of
        >>> columns_of(Digits(), Digits().load()).features
        ()
    """
    return DescribedColumns(data) if dataset.columns is None else dataset.columns
