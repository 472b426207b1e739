"""From an archive of arrays to samples: read without pickle, checked, converted, split."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray

from fedlens.core.errors import DataError, cut, shortened
from fedlens.core.random import Address
from fedlens.data.checking import checked_dataset
from fedlens.data.column_kinds import LARGEST
from fedlens.data.dataset import Dataset, Samples
from fedlens.data.groups import Groups
from fedlens.data.remark import remark
from fedlens.data.stratified import alike, test_mask
from fedlens.data.user_files import locate, set_option

TOGETHER, APART = ("x", "y"), ("x_train", "y_train", "x_test", "y_test")
MAY = ("classes", "groups")
MOST_CLASSES = 10_000
"""Labels without names are numbers below this."""

_SAVE = "np.savez({file}, x=x, y=y)"


def load_arrays(path: str, share: float, directory: Path | None, *, last: bool, regression: bool = False) -> Dataset:
    """Load an archive; see `fedlens.data.Arrays.load`.

    Args:
        path: of the archive.
        share: of each class that are test samples, where it has no test samples.
        directory: the user's data directory.
        last: whether images have their channels last.
        regression: whether labels are quantities.
    """
    file = locate(path, directory)
    try:
        with np.errstate(over="ignore"):
            arrays = _read(file, path)
            return _dataset(arrays, path, share, last=last, regression=regression)
    except MemoryError:
        gigabytes = file.stat().st_size / 1e9
        _refuse(path, f"does not fit into memory ({gigabytes:.1f} GB packed)", "save fewer samples, or smaller ones")


def _refuse(path: str, fault: str, remedy: str) -> NoReturn:
    raise DataError(f"{path}: {fault}; {remedy}")


def _read(file: Path, path: str) -> dict[str, NDArray[Any]]:
    """Return the arrays that are asked for, by name."""
    save = _SAVE.format(file=repr(Path(path).name))
    try:
        with file.open("rb") as opened:
            archive = np.load(opened, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                _refuse(path, "is a single array", f"save both, {save}")
            needed = APART if "x_train" in archive.files else TOGETHER
            if missing := [name for name in needed if name not in archive.files]:
                there = cut(", ".join(archive.files), 200) or "nothing"
                _refuse(path, f"has no {', '.join(missing)} (it has {there})", f"name arrays so: {save}")
            arrays = {}
            for name in (*needed, *(name for name in MAY if name in archive.files)):
                try:
                    arrays[name] = np.asarray(archive[name])
                except ValueError as error:
                    if "pickle" not in str(error).lower():
                        raise
                    remedy = f"save plain numbers, e.g. {name}.astype(np.float32), or words, {name}.astype(str)"
                    _refuse(path, f"{name} holds Python objects, which are not read as they may run code", remedy)
            return arrays
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError) as error:
        if "pickle" in str(error).lower():  # what NumPy takes any other file for
            _refuse(path, "cannot be read as a NumPy archive, for it is none", f"save it again, {save}")
        reason = cut(str(error).partition("\n")[0], 160) or type(error).__name__
        _refuse(path, f"cannot be read as a NumPy archive ({reason})", f"save it again, {save}")


def _dataset(arrays: dict[str, NDArray[Any]], path: str, share: float, *, last: bool, regression: bool) -> Dataset:
    apart = "x_train" in arrays
    parts = ("_train", "_test") if apart else ("",)
    inputs = [_inputs(arrays[f"x{part}"], f"x{part}", path, last=last) for part in parts]
    if len({x.shape[1:] for x in inputs}) > 1:
        shapes = " and ".join(str(list(x.shape)) for x in inputs)
        _refuse(path, f"x_train and x_test have the shapes {shapes}", "prepare both alike")
    for part, x in zip(parts, inputs, strict=True):
        labels = arrays[f"y{part}"]
        if labels.shape != (len(x),):
            fault = f"y{part} has the shape {list(labels.shape)}, but x{part} has {len(x):,} samples"
            _refuse(path, fault, "one label each is right: y.ravel(), or y.argmax(1) of one-hot labels")
    labels = np.concatenate([arrays[f"y{part}"] for part in parts])
    classes, y = _quantities(labels, path) if regression else _classes(labels, arrays.get("classes"), path)
    x = np.concatenate(inputs) if apart else inputs[0]
    if apart:
        test = np.arange(len(y)) >= len(inputs[0])
    else:
        test = test_mask(alike(y) if regression else y, share, Address.root(0).at("arrays", "test"))
    for chosen, what in ((~test, "training"), (test, "test")):
        if not chosen.any():
            _refuse(path, f"has no {what} samples ({len(y):,} in all)", "save two samples of a class at least")
    samples = Samples(torch.from_numpy(x), torch.from_numpy(y))
    rows, tested = (torch.from_numpy(np.flatnonzero(chosen)) for chosen in (~test, test))
    groups = None if "groups" not in arrays else _groups(arrays["groups"], len(y), ~test, path)
    dataset = Dataset(samples.take(rows), samples.take(tested), classes, groups=groups)
    return checked_dataset(dataset, path)


def _inputs(x: NDArray[Any], name: str, path: str, *, last: bool) -> NDArray[Any]:
    """Return inputs as float32, images with their channels first."""
    if 0 in x.shape:
        _refuse(
            path, f"{name} has the shape {list(x.shape)}, and so no values", "save two samples of each class at least"
        )
    if x.ndim < 2:
        remedy = "a row for each sample is right: x.reshape(len(x), -1)"
        _refuse(path, f"{name} has the shape {list(x.shape)}", remedy)
    if x.dtype.kind not in "fiub":
        _refuse(path, f"{name} holds {x.dtype}, not numbers", f"e.g. {name}.astype(np.float32)")
    if x.ndim == 4:
        first, end = x.shape[1], x.shape[3]
        if last:
            x = np.moveaxis(x, 3, 1)
        elif first not in {1, 3, 4} and end in {1, 3, 4}:
            fault = f"{name} has the shape {list(x.shape)}, images with their {end} channels last"
            _refuse(path, fault, f"say so: {set_option('channels', 'last')}")
    elif last:
        _refuse(
            path, f"{name} has {x.ndim} dimensions, images have 4", f"leave it out: {set_option('channels', 'first')}"
        )
    if x.dtype == np.uint8:
        remark(f"{path}: {name} holds bytes, which are divided by 255")
        return np.ascontiguousarray(x, np.float32) / np.float32(255)
    converted = np.ascontiguousarray(x, np.float32)
    if (bad := np.flatnonzero(~np.isfinite(converted.reshape(len(x), -1)).all(1))).size:
        _refuse(path, f"{name}[{bad[0]}] has numbers that are not finite in float32", "mend it or leave it out")
    return converted


def _quantities(labels: NDArray[Any], path: str) -> tuple[tuple[str, ...], NDArray[Any]]:
    """Return no classes, and each sample's label as a number."""
    if labels.dtype.kind not in "fiu":
        remedy = f"save numbers, or take y for classes: {set_option('task', 'classification')}"
        _refuse(path, f"y holds {labels.dtype}, not quantities", remedy)
    y = labels.astype(np.float64)
    if (bad := np.flatnonzero(~(np.abs(y) < LARGEST))).size:
        _refuse(path, f"y[{bad[0]}] is not finite, or larger than {LARGEST:g}", "mend it or leave it out")
    return (), y


def _classes(labels: NDArray[Any], names: NDArray[Any] | None, path: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the classes' names and each sample's class."""
    if labels.dtype.kind in "US":
        words = _words(labels, "y", path)
        if names is None:
            found, y = np.unique(words, return_inverse=True)
            return tuple(map(str, found)), y.astype(np.int64)
        order = {str(word): number for number, word in enumerate(_words(names.ravel(), "classes", path))}
        if (strange := next((word for word in words if word not in order), None)) is not None:
            _refuse(path, f"y has {shortened(str(strange))}, which is not in classes", "add it to classes")
        return tuple(order), np.array([order[word] for word in words], dtype=np.int64)
    if labels.dtype.kind == "f" and (infinite := np.flatnonzero(~np.isfinite(labels))).size:
        _refuse(path, f"y[{infinite[0]}] is {labels[infinite[0]]}", "give each sample a class, or leave it out")
    whole = labels.dtype.kind in "iub" or (labels.dtype.kind == "f" and bool((labels == np.round(labels)).all()))
    if not whole:
        _refuse(path, "y is not of whole numbers or words", f"of quantities, {set_option('task', 'regression')}")
    if labels.min() < 0 or labels.max() >= MOST_CLASSES:
        remedy = "number classes from 0: classes, y = np.unique(y, return_inverse=True)"
        _refuse(path, f"y is from {int(labels.min())} to {int(labels.max())}", remedy)
    y = labels.astype(np.int64)
    count = int(y.max()) + 1
    if names is None:
        return tuple(map(str, range(count))), y
    given = tuple(map(str, _words(names.ravel(), "classes", path)))
    if len(given) < count:
        _refuse(path, f"classes has {len(given)} names, but y goes up to {count - 1}", "name each class")
    return given, y


def _words(values: NDArray[Any], name: str, path: str) -> NDArray[Any]:
    """Return values as text; of bytes, what they are in UTF-8."""
    try:
        return np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values.astype(str)
    except UnicodeDecodeError as error:
        _refuse(
            path,
            f"{name} has bytes that are no text in UTF-8 ({error.reason})",
            f"e.g. np.char.decode({name}, 'latin-1')",
        )


def _groups(groups: NDArray[Any], samples: int, train: NDArray[np.bool_], path: str) -> Groups:
    """Return the owners of the training samples; where samples are split here, owners of all are given."""
    if groups.shape not in {(samples,), (int(train.sum()),)}:
        fault = f"groups has the shape {list(groups.shape)}, but there are {int(train.sum()):,} training samples"
        _refuse(path, fault, "give each sample an owner")
    of = groups[train] if len(groups) == samples else groups
    names, numbers = np.unique(_words(of, "groups", path), return_inverse=True)
    return Groups(tuple(map(str, names)), torch.from_numpy(numbers.astype(np.int64)))
