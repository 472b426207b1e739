"""From a table's files to samples: read, kinds found out, split, fitted to the training samples, encoded."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import torch
from numpy import empty
from numpy.typing import NDArray

from fedlens.core.errors import DataError, cut, shortened
from fedlens.core.random import Address
from fedlens.data.column_kinds import Kind, categories_of, decimal_of, kind_of, numbers_of, words_of
from fedlens.data.csv_file import DELIMITERS, read_csv
from fedlens.data.dataset import Dataset, Samples
from fedlens.data.groups import Groups
from fedlens.data.parquet_file import read_parquet
from fedlens.data.remark import remark
from fedlens.data.stratified import alike, test_mask
from fedlens.data.table_columns import UNKNOWN, Category, Number, TableColumns
from fedlens.data.table_labels import labels_of, quantities_of
from fedlens.data.table_options import Decimal, TableOptions
from fedlens.data.table_rows import Rows, joined
from fedlens.data.user_files import locate, set_option

Values = NDArray[Any]


def load_table(options: TableOptions, directory: Path | None) -> Dataset:
    """Load a table; see `fedlens.data.Table.load`."""
    rows = _without_dropped(_read(options, directory))
    label = options.label or rows.names[-1]
    rows = _complete(replace(rows, options=replace(options, label=label)), label)
    features = rows.without([label, *([] if options.group is None else [options.group])])
    if not features.names:
        rows.refuse(f"has no column beside {cut(label)}, the label", _splitting(label))
    decimal = decimal_of(rows, options.decimal)
    kind = options.types.get(label)
    classes: tuple[str, ...]
    y: NDArray[Any]
    if options.task == "regression":
        classes, y = (), quantities_of(rows, label, kind, decimal)
    else:
        classes, y = labels_of(rows, label, kind, decimal)
    groups = None if options.group is None else _groups(rows, options.group)
    if isinstance(options.test, str):
        test = rows.of_second
    else:
        test = test_mask(y.astype(np.int64) if classes else alike(y), options.test, Address.root(0).at("table", "test"))
    _require_parts(rows, test)
    if classes:
        _require_classes(rows, classes, y, test, label)
    else:
        _require_different(rows, y[~test], label)
    columns, x = _encoded(features, decimal, test)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    train_rows, test_rows = (torch.from_numpy(np.flatnonzero(part)) for part in (~test, test))
    every = Samples(inputs, targets)
    dataset = Dataset(
        train=every.take(train_rows),
        test=every.take(test_rows),
        classes=classes,
        columns=columns,
        groups=None if groups is None else groups.take(train_rows),
    )
    return dataset if classes else dataset.standardised()


def _read(options: TableOptions, directory: Path | None) -> Rows:
    """Read the file, or both."""
    paths = [(options.path, "path"), *([(options.test, "test")] if isinstance(options.test, str) else [])]
    parts = []
    for path, option in paths:
        place = locate(path, directory, option)
        read = read_parquet if place.suffix.lower() in {".parquet", ".pq"} else read_csv
        try:
            rows = read(place, path, options)
        except MemoryError:
            fault = f"its {place.stat().st_size:,} bytes do not fit into memory"
            raise DataError(f"{path}: {fault}; give it fewer rows or columns") from None
        if not len(rows):
            rows.refuse("has no rows", "give it a row for each sample")
        parts.append(rows)
    return parts[0] if len(parts) == 1 else joined(*parts)


def _splitting(label: str) -> str:
    """Say how a name that may be a whole line might be split."""
    remedy = "give samples something to be told apart by"
    if any(mark in label for mark in DELIMITERS):
        return f"{remedy}, or write lines without quotes around all of each"
    if marks := re.findall(r"[^\w'\"-]", label, re.ASCII):
        return f"{remedy}, or say what separates values: {set_option('delimiter', marks[0])}"
    return remedy


def _without_dropped(rows: Rows) -> Rows:
    """Leave out the columns that the user leaves out; refuse names of columns that there are not."""
    options = rows.options
    for option in ("drop", "types", "group", "label"):
        typed = getattr(options, option)
        for name in [typed] if isinstance(typed, str) else typed or ():
            rows.require(option, name, typed)
    for option, name in (("label", options.label), ("group", options.group)):
        if name in options.drop:
            others = [other for other in options.drop if other != name]
            rows.refuse(
                f"data.drop: {cut(str(name))} is the {option}", f"leave out others: {set_option('drop', others)}"
            )
    if len(set(options.drop)) >= len(rows.names):
        rows.refuse("data.drop: leaves out every column", f"leave out none: {set_option('drop', [])}")
    return rows.without(list(dict.fromkeys(options.drop)))


def _complete(rows: Rows, label: str) -> Rows:
    """Return the rows without those that lack something, if they are to be dropped.

    Raises:
        DataError: something is missing that may not be.
    """
    options = rows.options
    if label == options.group:
        rows.refuse(f"data.group: {cut(label)} is the label", f"leave it out: {set_option('group', None)}")
    needed = rows.names if options.missing in {"refuse", "drop"} else [label, *filter(None, [options.group])]
    lacking = {name: rows.table[name].null_count for name in needed if rows.table[name].null_count}
    for name, count in lacking.items():
        if count == len(rows):
            rows.refuse(f"column {cut(name)} is empty", f"leave it out: {rows.options.without(name)}")
    if not lacking:
        return rows
    name = next(iter(lacking))
    if options.missing == "drop":
        complete = np.ones(len(rows), dtype=np.bool_)
        for column in lacking:
            complete &= pc.is_valid(rows.table[column]).to_numpy()
        if not complete.any():
            rows.refuse("no row is complete", f"leave out columns: {rows.options.without(*lacking)}")
        remark(f"{rows.name}: {(~complete).sum():,} of {len(rows):,} rows lack a value and are left out")
        return rows.take(complete)
    more = f", and in {len(lacking) - 1} more columns" if len(lacking) > 1 else ""
    row = int(np.flatnonzero(~pc.is_valid(rows.table[name]).to_numpy())[0])
    fault = f"a value is missing, as in {lacking[name]:,} of {len(rows):,} rows{more}"
    remedy = f"leave such rows out: {set_option('missing', 'drop')}"
    if name not in {label, options.group}:
        remedy += f", or see `fedlens list table`: {set_option('missing', 'mean')}"
    return rows.refuse_at(row, name, fault, remedy)


def _groups(rows: Rows, name: str) -> Groups:
    names, of = np.unique(np.array(words_of(rows.table[name]).to_pylist(), dtype=str), return_inverse=True)
    return Groups(tuple(map(str, names)), torch.from_numpy(of.astype(np.int64)))


def _require_parts(rows: Rows, test: NDArray[np.bool_]) -> None:
    """Require training and test samples."""
    for part, what in ((~test, "training"), (test, "test")):
        if not part.any():
            rows.refuse(
                f"has no row left for {what} samples ({len(rows):,} in all)", "give two rows of a class at least"
            )


def _require_different(rows: Rows, trained: NDArray[Any], label: str) -> None:
    """Require training samples that differ in their labels, which are quantities."""
    if np.ptp(trained) == 0:
        rows.refuse(
            f"column {cut(label)}, the label, is {trained[0]:g} in every training sample",
            "name the column of the quantity",
        )


def _require_classes(
    rows: Rows, classes: tuple[str, ...], y: NDArray[Any], test: NDArray[np.bool_], label: str
) -> None:
    """Require a training sample of each class; remark on classes without a test sample."""
    trained = np.bincount(y[~test], minlength=len(classes))
    if (lacking := np.flatnonzero(trained == 0)).size:
        row = int(np.flatnonzero(y == lacking[0])[0])
        fault = f"no training sample is {shortened(classes[lacking[0]])}"
        rows.refuse_at(row, label, fault, "leave such rows out, or give training samples of it")
    tested = np.bincount(y[test], minlength=len(classes))
    if (untested := np.flatnonzero(tested == 0)).size:
        named = cut(", ".join(classes[number] for number in untested), 200)
        remark(f"{rows.name}: no test sample is {named}, of which there are too few")


def _encoded(rows: Rows, decimal: Decimal, test: NDArray[np.bool_]) -> tuple[TableColumns, NDArray[np.float32]]:
    """Fit the features to the training samples; return them with the inputs, ``[n, columns]``."""
    parts: list[Number | Category] = []
    kept: list[Values] = []
    for name in rows.names:
        kind = kind_of(rows, name, rows.options.types.get(name), decimal)
        values = _values(rows, name, kind, decimal)
        trained = values[~test]
        different = {value for value in trained.tolist() if value is not None and value == value}  # noqa: PLR0124 - NaN
        if len(different) + (rows.options.missing == "category" and len(different) < len(set(trained.tolist()))) < 2:
            what = shortened(next(iter(different))) if different else "missing"
            remark(f"{rows.name}: column {cut(name)} is {what} in every training sample, and left out")
            continue
        part = _fitted(name, kind, trained, rows.options)
        if isinstance(part, Category):
            __remark_unknown(rows, part, values[test])
        parts.append(part)
        kept.append(values)
    if not parts:
        rows.refuse("every column is the same in all rows", "give samples something to be told apart by")
    try:
        x = empty((len(rows), sum(part.width for part in parts)), np.float32)
        start = 0
        for part, values in zip(parts, kept, strict=True):
            x[:, start : start + part.width] = part.encode(values)
            start += part.width
    except MemoryError:
        count, widest = sum(part.width for part in parts), max(parts, key=lambda part: part.width)
        size = f"{len(rows):,} rows of {count:,} columns, 4 bytes each"
        rows.refuse(
            f"{size}, do not fit into memory ({4 * len(rows) * count / 2**30:,.1f} GiB)",
            f"leave out the feature with the most, {widest.width:,}: {rows.options.without(widest.name)}, or rows",
        )
    return TableColumns(parts), x


def _values(rows: Rows, name: str, kind: Kind, decimal: Decimal) -> Values:
    """Return a feature's values, ``[n]``: numbers with NaN, or words with ``None`` where they are missing."""
    if kind != "category":
        return numbers_of(rows, name, kind, decimal)
    words = categories_of(rows, name, rows.options.types.get(name))
    if rows.options.missing == "category":
        words = np.array([UNKNOWN if word is None else word for word in words], dtype=object)
    return words


def _fitted(name: str, kind: Kind, trained: Values, options: TableOptions) -> Number | Category:
    if kind == "category":
        return Category.fitted(name, trained)
    flagged = options.missing == "category" and bool(np.isnan(trained).any())
    return Number.fitted(name, kind, trained, options.scaling, flagged=flagged)


def __remark_unknown(rows: Rows, part: Category, tested: Values) -> None:
    known = set(part.categories)
    unknown = [word for word in tested if word is not None and word not in known]
    if unknown:
        said = cut(", ".join(map(shortened, dict.fromkeys(unknown))), 200)
        remark(
            f"{rows.name}: column {cut(part.name)}: {len(unknown):,} test samples have categories that no training "
            f"sample has ({said}); all their columns of it are 0"
        )
