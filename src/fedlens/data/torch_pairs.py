"""Data sets of PyTorch, ``torch.utils.data.Dataset``, as data sets of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fedlens.core.errors import DataError
from fedlens.core.lazy import torch
from fedlens.data.dataset import Dataset, Samples
from fedlens.data.groups import Groups

if TYPE_CHECKING:
    from torch import Tensor


def from_torch(train: Any, test: Any, classes: Sequence[str] | None = None, groups: Groups | None = None) -> Dataset:
    """Return data sets of PyTorch's, whose entries are pairs of an input and a label, as one with all in memory.

    Args:
        train: training samples; has a length, and ``train[i]`` is ``(x, y)``.
        test: test samples, likewise.
        classes: the classes' names; by default those that `train` knows (``train.classes``), or else their numbers. An
            empty tuple says that labels are quantities, for a regression.
        groups: the natural owner of each training sample.

    Raises:
        DataError: an entry is no pair, or inputs differ in shape; the message says which.

    Example:
        >>> import torch
        >>> from torch.utils.data import TensorDataset
        >>> from fedlens.data import from_torch
        >>> pairs = TensorDataset(torch.rand(6, 2), torch.tensor([0, 1, 0, 1, 0, 1]))
        >>> dataset = from_torch(pairs, pairs, classes=("even", "odd"))
        >>> dataset.shape, len(dataset.train)
        ((2,), 6)
    """
    from fedlens.data.checking import checked_dataset

    regression = classes is not None and not classes
    parts = _samples(train, "train", regression=regression), _samples(test, "test", regression=regression)
    if classes is None:
        known = getattr(train, "classes", None)
        count = 1 + max(int(part.y.max()) for part in parts)
        classes = list(map(str, known if known is not None else range(count)))
    return checked_dataset(Dataset(*parts, classes=tuple(classes), groups=groups), "from_torch")


def _samples(pairs: Any, name: str, *, regression: bool) -> Samples:
    """Return all samples of a data set of PyTorch's."""
    try:
        count = len(pairs)
    except TypeError:
        raise DataError(
            f"from_torch: {name} has no length; give one whose entries can be counted, not a stream"
        ) from None
    if not count:
        raise DataError(f"from_torch: {name} is empty; give two samples at least")
    inputs: list[Tensor] = []
    labels: list[float] = []
    read = _quantity if regression else _label
    for index in range(count):
        entry = pairs[index]
        if not isinstance(entry, tuple | list) or len(entry) != 2:
            raise DataError(f"from_torch: {name}[{index}] is no pair of an input and a class; let it return (x, y)")
        inputs.append(_tensor(entry[0], f"{name}[{index}]"))
        labels.append(read(entry[1], f"{name}[{index}]"))
        if inputs[-1].shape != inputs[0].shape:
            shapes = f"{list(inputs[-1].shape)}, and that of {name}[0] {list(inputs[0].shape)}"
            raise DataError(f"from_torch: the input of {name}[{index}] has the shape {shapes}; resize them alike")
    return Samples(torch.stack(inputs), torch.tensor(labels, dtype=torch.float64 if regression else torch.int64))


def _tensor(value: Any, place: str) -> Tensor:
    """Return an input; bytes are scaled to [0, 1], other numbers made float32 unless they are whole (int64)."""
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        kind = type(value).__name__
        raise DataError(
            f"from_torch: the input of {place} is a {kind}; give the data set a transform that makes tensors, such as "
            "torchvision.transforms.ToTensor()"
        ) from None
    if tensor.dtype == torch.uint8:
        return tensor.to(torch.float32) / 255
    return tensor if tensor.dtype == torch.int64 else tensor.to(torch.float32)


def _label(value: Any, place: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise DataError(f"from_torch: the class of {place} is {value!r}; a whole number from 0 is right") from None
    if number != value:
        remedy = "a whole number from 0 is right; of a regression, say classes=()"
        raise DataError(f"from_torch: the class of {place} is {value!r}; {remedy}")
    return number


def _quantity(value: Any, place: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise DataError(f"from_torch: the label of {place} is {value!r}; without classes, a number is right") from None
