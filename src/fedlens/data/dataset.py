"""Data sets: samples, the names of the classes, and who has what by nature."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fedlens.core.config import Config
from fedlens.core.errors import ConfigError
from fedlens.core.lazy import torch
from fedlens.core.suggest import nearest
from fedlens.data.about import About
from fedlens.data.columns import Columns
from fedlens.data.groups import Groups
from fedlens.data.quantity import Quantity

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """Inputs ``x`` of shape ``[n, ...]`` (float32) and their classes ``y`` of shape ``[n]`` (int64).

    Of a regression, ``y`` has quantities (float32).

    Example:
        >>> import torch
        >>> from fedlens import Samples
        >>> samples = Samples(x=torch.tensor([[0.1], [0.2], [0.3]]), y=torch.tensor([0, 1, 1]))
        >>> len(samples), samples.take(torch.tensor([2])).x
        (3, tensor([[0.3000]]))
    """

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def take(self, indices: Tensor) -> Samples:
        """Copy the samples at `indices` (``[m]``)."""
        rows = indices.to(self.x.device)
        return Samples(self.x.index_select(0, rows), self.y.index_select(0, rows))

    def to(self, device: torch.device) -> Samples:
        """Move the samples to `device`; return them as they are if they are there."""
        x, y = self.x.to(device), self.y.to(device)
        return self if x is self.x and y is self.y else Samples(x, y)


@dataclass(frozen=True)
class Dataset:
    """A data set, ready for training.

    Attributes:
        train: samples to share among the clients.
        test: samples for evaluation, and from which targets are drawn.
        classes: the classes' names; class i is ``classes[i]``. Without any, labels are quantities: a regression.
        source: class that a target is drawn from by default; better chosen in the experiment (``target.source``).
        target: class that is wanted for it by default; better chosen in the experiment (``target.target``).
        paper_stop: test accuracy (a fraction) that a publication trained to, if any.
        columns: what the columns of a record are; ``None`` if inputs are not records, or the `Data` says it.
        groups: the natural owner of each training sample, such as who wrote it; ``None`` if nobody knows.
        quantity: what the labels of a regression have been standardised by; ``None`` of classes. Leave it out in a
            class of your own, and give labels in their own unit: fedlens standardises them.

    Example:
        >>> import torch
        >>> from fedlens import Dataset, Samples
        >>> samples = Samples(torch.rand(6, 2), torch.tensor([0, 1, 0, 1, 0, 1]))
        >>> Dataset(train=samples, test=samples, classes=("even", "odd")).shape
        (2,)
    """

    train: Samples
    test: Samples
    classes: tuple[str, ...]
    source: int | None = None
    target: int | None = None
    paper_stop: float | None = None
    columns: Columns | None = None
    groups: Groups | None = None
    quantity: Quantity | None = None

    @property
    def outputs(self) -> int:
        """How many numbers a model gives for an input: one for each class, or of a regression the one predicted."""
        return max(len(self.classes), 1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.train.x.shape[1:])

    def to(self, device: torch.device) -> Dataset:
        """Move the samples to `device`; return the data set as it is, with its fingerprint, if they are there."""
        train, test = self.train.to(device), self.test.to(device)
        return self if train is self.train and test is self.test else replace(self, train=train, test=test)

    def reduced(self, indices: Tensor) -> Dataset:
        """Return the data set with these training samples alone; `indices` have the shape ``[m]``, int64."""
        groups = None if self.groups is None else self.groups.take(indices)
        return replace(self, train=self.train.take(indices), groups=groups)

    def with_groups(self, groups: Groups) -> Dataset:
        """Return the data set with other owners of its training samples."""
        return replace(self, groups=groups)

    def standardised(self) -> Dataset:
        """Return a regression's data set with its labels standardised by the training samples."""
        quantity = Quantity.fitted(self.train.y)
        train, test = (Samples(part.x, quantity.standardised(part.y)) for part in (self.train, self.test))
        return replace(self, train=train, test=test, quantity=quantity)

    def fingerprint(self) -> str:
        """Return a digest of all samples and class names, which tells results on other data apart.

        It is computed once for each data set that is in memory.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        labels = repr(self.classes if self.quantity is None else self.quantity)
        digest = hashlib.blake2b(labels.encode(), digest_size=16)
        for part in (self.train, self.test):
            for tensor in (part.x, part.y):
                digest.update(repr((tensor.dtype, tuple(tensor.shape))).encode())
                digest.update(tensor.contiguous().cpu().numpy().data)
        return digest.hexdigest()


class Data(Config):
    """A data set's description; derive from it to bring your own.

    Example:
        >>> import torch
        >>> from fedlens import Data, Dataset, Samples
        >>> class Coins(Data):
        ...     count: int = 100
        ...     def load(self, directory=None):
        ...         samples = Samples(torch.eye(2).repeat(self.count, 1), torch.arange(2).repeat(self.count))
        ...         return Dataset(samples, samples, classes=("heads", "tails"))
        >>> len(Coins(count=3).load().train)
        6
    """

    about: ClassVar[About | None] = None
    """Where the data are from and under what terms; ``None`` where nobody has said so."""

    def load(self, directory: Path | None = None) -> Dataset:
        """Load the data.

        Args:
            directory: where the user keeps data files, by ``--data-dir`` or else ``FEDLENS_DATA``; a data set that
                ships its own ignores it.

        Raises:
            DataError: a file is missing or corrupt.
        """
        raise NotImplementedError

    def regression(self) -> bool:
        """Tell whether labels are quantities to predict, rather than classes; by default they are classes."""
        return False

    def features(self) -> tuple[str, ...] | None:
        """Return the feature that each entry of an input belongs to; ``None`` if inputs are not records."""
        return None

    def default_trigger(self) -> str | dict[str, Any] | None:
        """Return the trigger of a backdoor for which none is named, as in YAML; ``None`` if there has to be one.

        By default a patch of pixels; of records a value of a feature that is rare among them.
        """
        return "pixel-patch" if self.features() is None else "feature-values"

    def encoded(self, feature: str, value: float | str) -> dict[int, float]:
        """Return the entries, by column, of a record whose `feature` has this raw `value`.

        Define it where a feature is scaled or has several columns; by default a number is taken as it is.

        Raises:
            ConfigError: there is no such feature, or no such value of it.
        """
        features = self.features()
        if features is None:
            raise ConfigError(
                "goal.trigger.values: this data set does not name its features; give values by column, "
                "e.g. -o 'goal.trigger={name: feature-values, columns: {0: 1}}'"
            )
        columns = [column for column, name in enumerate(features) if name == feature]
        if not columns:
            known = nearest(feature, set(features))
            raise ConfigError(f"goal.trigger.values.{feature}: there is no such feature; {known}")
        if len(columns) > 1 or isinstance(value, str):
            remedy = f"e.g. -o 'goal.trigger={{name: feature-values, columns: {{{columns[0]}: 1}}}}'"
            raise ConfigError(
                f"goal.trigger.values.{feature}: it is not known how {value} is encoded; define `encoded` in "
                f"{type(self).__name__}, or give values by column, {remedy}"
            )
        return {columns[0]: float(value)}

    def words(self, record: Tensor) -> dict[str, str]:  # noqa: ARG002 - derived classes use it
        """Return the value of each feature of a record (an input, shape ``[columns]``), in words.

        Empty if inputs are not records.
        """
        return {}
