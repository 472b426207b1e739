"""What a custom data set and a custom partition give, looked at before anything is computed from it.

Every message names the array, the row where there is one, and what would be right.
"""

from numbers import Integral, Real
from typing import NoReturn

import torch
from torch import Tensor

from fedlens.core.errors import DataError, cut, shortened
from fedlens.data.dataset import Dataset, Samples
from fedlens.data.partition import Shards

LONGEST_NAME = 200
"""So many characters the name of a class has at most."""


def checked_dataset(found: object, name: str) -> Dataset:
    """Check what the data set called `name` has loaded.

    Returns:
        It, with the classes' names as a tuple and the target's classes as plain numbers.

    Raises:
        DataError: it is none, or its parts do not fit each other.
    """
    if not isinstance(found, Dataset):
        _refuse(name, "load", f"gave {_kind(found)}", "return fedlens.Dataset(train, test, classes, source, target)")
    classes = _classes(found.classes, name)
    for part, samples in (("train", found.train), ("test", found.test)):
        if not isinstance(samples, Samples):
            _refuse(name, part, f"is {_kind(samples)}", "make it fedlens.Samples(x, y)")
        _check_inputs(samples.x, f"{part}.x", name)
        _check_labels(samples, part, len(classes), name)
    train, test = found.train.x, found.test.x
    if train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
        like = f"{test.dtype} of shape {_shape(test)} beside train.x of {train.dtype} and {_shape(train)}"
        _refuse(name, "test.x", f"is {like}", "prepare both alike")
    source, target = (_class_number(getattr(found, end), end, len(classes), name) for end in ("source", "target"))
    if source == target:
        _refuse(name, "target", f"is the same class as source, {source}", "choose two")
    stop = found.paper_stop
    if stop is not None and not (isinstance(stop, Real) and 0 < stop <= 1):
        _refuse(name, "paper_stop", f"is {stop!r}", "give a fraction, or leave it out")
    return Dataset(found.train, found.test, classes, source, target, None if stop is None else float(stop))


def checked_shards(found: object, clients: int, samples: int, name: str) -> Shards:
    """Check how the partition called `name` has dealt so many samples to so many clients.

    Raises:
        DataError: not every client has a sample, or one is dealt twice, or does not exist.
    """
    if not isinstance(found, Shards):
        _refuse(name, "split", f"gave {_kind(found)}", "return fedlens.data.partition.Shards(order, offsets)")
    for part, tensor in (("order", found.order), ("offsets", found.offsets)):
        _check_plain(tensor, part, name)
        if tensor.dtype != torch.int64 or tensor.dim() != 1:
            _refuse(name, part, f"is {tensor.dtype} of shape {_shape(tensor)}", "int64 of one dimension is right")
    order, offsets = found.order, found.offsets
    if len(offsets) != clients + 1 or offsets[0] != 0 or offsets[-1] != len(order):
        right = f"{clients + 1} numbers from 0 to the length of order, {len(order)}, are right"
        _refuse(
            name, "offsets", f"has {len(offsets)} numbers, {offsets[:1].tolist()} to {offsets[-1:].tolist()}", right
        )
    if (client := _first(offsets.diff() < 1)) is not None:
        _refuse(name, "offsets", f"client {client} has no sample", "give each one at least")
    if (row := _first((order < 0) | (order >= samples))) is not None:
        _refuse(name, "order", f"row {row} is {int(order[row])}", f"samples are 0 to {samples - 1}")
    if (sample := _first(torch.bincount(order, minlength=1) > 1)) is not None:
        _refuse(name, "order", f"has sample {sample} more than once", "deal each to one client at most")
    return found


def _refuse(name: str, place: str, wrong: str, remedy: str) -> NoReturn:
    raise DataError(f"{name}: {place}: {wrong}; {remedy}")


def _kind(value: object) -> str:
    """What a value is, in words."""
    return "nothing" if value is None else f"a {type(value).__module__}.{type(value).__name__}".replace("builtins.", "")


def _shape(tensor: Tensor) -> list[int]:
    return list(tensor.shape)


def _first(wrong: Tensor) -> int | None:
    """The first place of ``[n]`` that is true."""
    return int(wrong.nonzero()[0]) if bool(wrong.any()) else None


def _classes(found: object, name: str) -> tuple[str, ...]:
    if not isinstance(found, tuple | list):
        _refuse(name, "classes", f"is {_kind(found)}", 'give a tuple of names, as in ("cat", "dog")')
    if (wrong := next((one for one in found if not (isinstance(one, str) and one.strip())), None)) is not None:
        _refuse(name, "classes", f"has {shortened(wrong)}", "names are words: tuple(map(str, classes))")
    if (
        wrong := next((one for one in found if len(one) > LONGEST_NAME or len(one.splitlines()) > 1), None)
    ) is not None:
        remedy = f"a name is on one line, and of {LONGEST_NAME} characters at most"
        _refuse(name, "classes", f"has {shortened(wrong)}", remedy)
    if len(set(found)) < max(2, len(found)):
        _refuse(
            name,
            "classes",
            f"are {cut(', '.join(map(shortened, found)), 400) or 'none'}",
            "give two at least, all different",
        )
    return tuple(found)


def _check_plain(tensor: object, place: str, name: str) -> None:
    if not isinstance(tensor, Tensor):
        _refuse(name, place, f"is {_kind(tensor)}", "make it a tensor: torch.as_tensor(...)")
    if tensor.is_nested:
        _refuse(name, place, "is a nested tensor", "rows of one shape are right: torch.nested.to_padded_tensor(..., 0)")
    if tensor.is_quantized:
        _refuse(name, place, f"is {tensor.dtype}", "float32 is right: .dequantize()")
    if tensor.layout != torch.strided or tensor.device.type != "cpu":
        _refuse(
            name, place, f"is {tensor.layout} on {tensor.device}", "dense and on the CPU is right: .to_dense().cpu()"
        )


def _check_inputs(x: Tensor, place: str, name: str) -> None:
    _check_plain(x, place, name)
    if x.dtype in {torch.bool, torch.uint8} or x.is_complex():  # raw images are bytes, words have larger numbers
        _refuse(name, place, f"is {x.dtype}", "float32 is right: .float()")
    if x.dim() < 2 or not x.numel():
        _refuse(
            name,
            place,
            f"has the shape {_shape(x)}",
            "a row for each sample is right, [n, ...], with n and all else ≥ 1",
        )
    if x.is_floating_point() and (row := _first(~x.flatten(1).isfinite().all(1))) is not None:
        _refuse(name, place, f"row {row} is not finite (NaN or infinity)", "mend or drop it")


def _check_labels(samples: Samples, part: str, classes: int, name: str) -> None:
    y, place = samples.y, f"{part}.y"
    _check_plain(y, place, name)
    if y.dim() != 1:
        _refuse(
            name, place, f"has the shape {_shape(y)}", "one number for each sample is right: .flatten(), or .argmax(1)"
        )
    if y.dtype != torch.int64:
        _refuse(name, place, f"is {y.dtype}", "int64 is right: .long()")
    if len(y) != len(samples.x):
        _refuse(name, part, f"has {len(samples.x)} rows of x beside {len(y)} of y", "give a label for each input")
    if (row := _first((y < 0) | (y >= classes))) is not None:
        _refuse(name, place, f"row {row} is {int(y[row])}", f"there are {classes} classes, 0 to {classes - 1}")


def _class_number(value: object, end: str, classes: int, name: str) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or not 0 <= int(value) < classes:
        _refuse(name, end, f"is {value!r}", f"give the number of a class, 0 to {classes - 1}")
    return int(value)
