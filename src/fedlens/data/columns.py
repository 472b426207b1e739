"""The columns of records: which feature each belongs to, and how its raw values are encoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class Columns(ABC):
    """What the columns of a record are; a data set that is fitted to its files has one.

    Example:
        >>> import torch
        >>> from fedlens.data import Columns
        >>> class Metres(Columns):
        ...     features = ("height", "width")
        ...     def encoded(self, feature, value):
        ...         return {self.features.index(feature): value / 1000}
        ...     def words(self, record):
        ...         return {name: f"{1000 * entry:.0f} mm" for name, entry in zip(self.features, record.tolist())}
        >>> Metres().encoded("width", 250), Metres().words(torch.tensor([0.1, 0.25]))
        ({1: 0.25}, {'height': '100 mm', 'width': '250 mm'})
    """

    features: tuple[str, ...]
    """The feature that each column belongs to."""

    @abstractmethod
    def encoded(self, feature: str, value: float | str) -> dict[int, float]:
        """Return the entries, by column, of a record whose `feature` has this raw `value`.

        Raises:
            ConfigError: there is no such feature, or no such value of it.
        """

    @abstractmethod
    def words(self, record: Tensor) -> dict[str, str]:
        """Return the value of each feature of a record (shape ``[columns]``), in words."""

    def described(self) -> dict[str, tuple[str, str]]:
        """Return what each feature holds, in a word, and how it is encoded, in words; empty if nobody has said so."""
        return {}
