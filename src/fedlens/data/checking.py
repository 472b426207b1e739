"""Checks of what custom data sets and partitions return, before anything is computed from it.

Every message names the array, the row if there is one, and what to do.
"""

from dataclasses import replace
from numbers import Integral, Real
from typing import NoReturn

import torch
from torch import Tensor

from fedlens.core.errors import DataError, cut, shortened
from fedlens.data.columns import Columns
from fedlens.data.dataset import Dataset, Samples
from fedlens.data.groups import Groups
from fedlens.data.partition import Shards
from fedlens.data.quantity import Quantity

LONGEST_NAME = 200
"""Maximum length of a class name, in characters."""


def checked_dataset(dataset: object, name: str) -> Dataset:
    """Check the return value of `load` of the data set called `name`.

    Returns:
        The same data, with a tuple of class names and plain integers for source and target, where they are given; of
        a regression with its labels standardised.

    Raises:
        DataError: `dataset` is not a `Dataset`, or its parts do not fit together.
    """
    if not isinstance(dataset, Dataset):
        _refuse(name, "load", f"gave {_kind(dataset)}", "return fedlens.Dataset(train, test, classes)")
    regression = _is_regression(dataset)
    if dataset.quantity is not None and not (regression and isinstance(dataset.quantity, Quantity)):
        _refuse(name, "quantity", f"is {_kind(dataset.quantity)}", "leave it out: fedlens standardises labels itself")
    classes = () if regression else _classes(dataset.classes, name)
    for part, samples in (("train", dataset.train), ("test", dataset.test)):
        if not isinstance(samples, Samples):
            _refuse(name, part, f"is {_kind(samples)}", "make it fedlens.Samples(x, y)")
        _check_inputs(samples.x, f"{part}.x", name)
        if regression:
            _check_quantities(samples, part, name)
        else:
            _check_labels(samples, part, len(classes), name)
    train, test = dataset.train.x, dataset.test.x
    if train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
        like = f"{test.dtype} of shape {_shape(test)} beside train.x of {train.dtype} and {_shape(train)}"
        _refuse(name, "test.x", f"is {like}", "prepare both alike")
    source, target = (_class_number(getattr(dataset, end), end, len(classes), name) for end in ("source", "target"))
    if source is not None and source == target:
        _refuse(name, "target", f"is the same class as source, {source}", "choose two")
    stop = dataset.paper_stop
    if stop is not None and not (isinstance(stop, Real) and 0 < stop <= 1):
        _refuse(name, "paper_stop", f"is {stop!r}", "give a fraction, or leave it out")
    _check_columns(dataset, name)
    _check_groups(dataset, name)
    checked = replace(
        dataset, classes=classes, source=source, target=target, paper_stop=None if stop is None else float(stop)
    )
    return checked.standardised() if regression and dataset.quantity is None else checked


def checked_shards(shards: object, clients: int, samples: int, name: str) -> Shards:
    """Check the return value of `split` of the partition called `name`.

    Args:
        shards: the return value.
        clients: number of clients.
        samples: number of training samples.
        name: name of the partition, for messages.

    Raises:
        DataError: clients overlap, or a sample is dealt twice or does not exist.
    """
    if not isinstance(shards, Shards):
        _refuse(name, "split", f"gave {_kind(shards)}", "return fedlens.data.partition.Shards(order, offsets)")
    for part, tensor in (("order", shards.order), ("offsets", shards.offsets)):
        _check_plain(tensor, part, name)
        if tensor.dtype != torch.int64 or tensor.dim() != 1:
            _refuse(name, part, f"is {tensor.dtype} of shape {_shape(tensor)}", "int64 of one dimension is right")
    order, offsets = shards.order, shards.offsets
    if len(offsets) != clients + 1 or offsets[0] != 0 or offsets[-1] != len(order):
        right = f"{clients + 1} numbers from 0 to the length of order, {len(order)}, are right"
        _refuse(
            name, "offsets", f"has {len(offsets)} numbers, {offsets[:1].tolist()} to {offsets[-1:].tolist()}", right
        )
    if (client := _first(offsets.diff() < 0)) is not None:
        _refuse(name, "offsets", f"client {client} ends before it begins", "let offsets ascend")
    if (row := _first((order < 0) | (order >= samples))) is not None:
        _refuse(name, "order", f"row {row} is {int(order[row])}", f"samples are 0 to {samples - 1}")
    if (sample := _first(torch.bincount(order, minlength=1) > 1)) is not None:
        _refuse(name, "order", f"has sample {sample} more than once", "deal each to one client at most")
    return shards


def _refuse(name: str, field: str, fault: str, remedy: str) -> NoReturn:
    raise DataError(f"{name}: {field}: {fault}; {remedy}")


def _kind(value: object) -> str:
    """Describe the type of a value for a message."""
    return "nothing" if value is None else f"a {type(value).__module__}.{type(value).__name__}".replace("builtins.", "")


def _shape(tensor: Tensor) -> list[int]:
    return list(tensor.shape)


def _first(mask: Tensor) -> int | None:
    """Return the index of the first true entry of `mask` ``[n]``; ``None`` if there is none."""
    return int(mask.nonzero()[0]) if bool(mask.any()) else None


def _classes(names: object, dataset: str) -> tuple[str, ...]:
    if not isinstance(names, tuple | list):
        _refuse(dataset, "classes", f"is {_kind(names)}", 'give a tuple of names, as in ("cat", "dog")')
    if (bad := next((name for name in names if not (isinstance(name, str) and name.strip())), None)) is not None:
        _refuse(dataset, "classes", f"has {shortened(bad)}", "names are words: tuple(map(str, classes))")
    if (
        bad := next((name for name in names if len(name) > LONGEST_NAME or len(name.splitlines()) > 1), None)
    ) is not None:
        remedy = f"a name is on one line, and of {LONGEST_NAME} characters at most"
        _refuse(dataset, "classes", f"has {shortened(bad)}", remedy)
    if len(set(names)) < max(2, len(names)):
        _refuse(
            dataset,
            "classes",
            f"are {cut(', '.join(map(shortened, names)), 400) or 'none'}",
            "give two at least, all different; of a regression none, and labels that are float32",
        )
    return tuple(names)


def _check_plain(tensor: object, field: str, name: str) -> None:
    if not isinstance(tensor, Tensor):
        _refuse(name, field, f"is {_kind(tensor)}", "make it a tensor: torch.as_tensor(...)")
    if tensor.is_nested:
        _refuse(name, field, "is a nested tensor", "rows of one shape are right: torch.nested.to_padded_tensor(..., 0)")
    if tensor.is_quantized:
        _refuse(name, field, f"is {tensor.dtype}", "float32 is right: .dequantize()")
    if tensor.layout != torch.strided or tensor.device.type != "cpu":
        _refuse(
            name, field, f"is {tensor.layout} on {tensor.device}", "dense and on the CPU is right: .to_dense().cpu()"
        )


def _check_inputs(x: Tensor, field: str, name: str) -> None:
    _check_plain(x, field, name)
    if x.dtype in {torch.bool, torch.uint8} or x.is_complex():  # raw images are bytes, words have larger numbers
        _refuse(name, field, f"is {x.dtype}", "float32 is right: .float()")
    if x.dim() < 2 or not x.numel():
        _refuse(
            name,
            field,
            f"has the shape {_shape(x)}",
            "a row for each sample is right, [n, ...], with n and all else ≥ 1",
        )
    if x.is_floating_point() and (row := _first(~x.flatten(1).isfinite().all(1))) is not None:
        _refuse(name, field, f"row {row} is not finite (NaN or infinity)", "mend or drop it")


def _check_labels(samples: Samples, part: str, classes: int, name: str) -> None:
    y, field = samples.y, f"{part}.y"
    _check_plain(y, field, name)
    if y.dim() != 1:
        _refuse(
            name, field, f"has the shape {_shape(y)}", "one number for each sample is right: .flatten(), or .argmax(1)"
        )
    if y.dtype != torch.int64:
        _refuse(name, field, f"is {y.dtype}", "int64 is right: .long()")
    if len(y) != len(samples.x):
        _refuse(name, part, f"has {len(samples.x)} rows of x beside {len(y)} of y", "give a label for each input")
    if (row := _first((y < 0) | (y >= classes))) is not None:
        _refuse(name, field, f"row {row} is {int(y[row])}", f"there are {classes} classes, 0 to {classes - 1}")


def _is_regression(dataset: Dataset) -> bool:
    """Tell whether a data set has no classes, and labels that may be quantities."""
    y = getattr(dataset.train, "y", None)
    return isinstance(dataset.classes, tuple | list) and not dataset.classes and getattr(y, "is_floating_point", bool)()


def _check_quantities(samples: Samples, part: str, name: str) -> None:
    y, field = samples.y, f"{part}.y"
    _check_plain(y, field, name)
    if y.dim() != 1:
        _refuse(name, field, f"has the shape {_shape(y)}", "one number for each sample is right: .squeeze(1)")
    if not y.is_floating_point():
        _refuse(name, field, f"is {y.dtype}", "without classes, labels are quantities, and float32 is right: .float()")
    if len(y) != len(samples.x):
        _refuse(name, part, f"has {len(samples.x)} rows of x beside {len(y)} of y", "give a label for each input")
    if (row := _first(~y.isfinite())) is not None:
        _refuse(name, field, f"row {row} is not finite (NaN or infinity)", "mend or drop it")
    if part == "train" and bool((y == y[0]).all()):
        remedy = "give labels that differ, so that there is something to learn"
        _refuse(name, field, f"is {float(y[0]):g} in every row", remedy)


def _check_columns(dataset: Dataset, name: str) -> None:
    columns = dataset.columns
    if columns is None:
        return
    if not isinstance(columns, Columns):
        _refuse(name, "columns", f"is {_kind(columns)}", "derive it from fedlens.data.Columns, or leave it out")
    if (count := len(columns.features)) != (width := dataset.train.x[0].numel()):
        _refuse(name, "columns.features", f"names {count}", f"inputs have {width} columns: name the feature of each")


def _check_groups(dataset: Dataset, name: str) -> None:
    groups = dataset.groups
    if groups is None:
        return
    if not isinstance(groups, Groups):
        _refuse(name, "groups", f"is {_kind(groups)}", "make it fedlens.data.Groups(names, of), or leave it out")
    _check_plain(groups.of, "groups.of", name)
    count = len(dataset.train)
    if groups.of.dtype != torch.int64 or groups.of.shape != (count,):
        what = f"is {groups.of.dtype} of shape {_shape(groups.of)}"
        _refuse(name, "groups.of", what, f"int64 of shape [{count}] is right, a number for each training sample")
    names = groups.names
    if not isinstance(names, tuple) or not all(isinstance(word, str) for word in names) or len(set(names)) < len(names):
        _refuse(name, "groups.names", "are not a tuple of different words", "e.g. tuple(map(str, names))")
    if (row := _first((groups.of < 0) | (groups.of >= len(names)))) is not None:
        fault = f"row {row} is {int(groups.of[row])}"
        _refuse(name, "groups.of", fault, f"there are {len(names)} groups, 0 to {len(names) - 1}")


def _class_number(value: object, end: str, classes: int, name: str) -> int | None:
    if value is None:
        return None
    if not isinstance(value, Integral) or isinstance(value, bool) or not 0 <= int(value) < classes:
        _refuse(name, end, f"is {value!r}", f"give the number of a class, 0 to {classes - 1}")
    return int(value)
