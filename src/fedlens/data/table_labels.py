"""The classes of a table's samples, from its column of labels."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fedlens.core.errors import cut, shortened
from fedlens.data.column_kinds import kind_of, numbers_of, readable, too_many, words_of
from fedlens.data.table_options import Decimal, Given
from fedlens.data.table_rows import Rows
from fedlens.data.user_files import set_option

NOT_NUMBERS = {"category": "words", "date": "dates", "boolean": "truths"}
"""What a column may hold that is no quantity."""
MOST_NUMBERS = 20
"""Labels that are numbers have no more values; more are a quantity, unless the user says that they are categories."""


def labels_of(rows: Rows, name: str, kind: Given | None, decimal: Decimal) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the classes' names in order, by size if they are numbers, and the class of each sample, ``[n]``.

    Args:
        rows: the table, in which no label is missing.
        name: of the column of labels.
        kind: what the user says that it holds.
        decimal: what stands before decimals in text.

    Raises:
        DataError: there are not two classes, or so many that they are none.
    """
    column = rows.table[name]
    if not readable(column.type):
        rows.refuse(
            f"column {cut(name)}, the label, holds {cut(str(column.type))}, not words or numbers",
            _instead(rows, name) or "write it again as words",
        )
    found = kind or kind_of(rows, name, None, decimal)
    if found == "numeric":
        numbers = numbers_of(rows, name, "numeric", decimal)
        values, y = np.unique(numbers, return_inverse=True)
        classes = tuple(f"{value:.12g}" for value in values)
        if len(set(classes)) < len(classes):
            classes = tuple(f"{value:.17g}" for value in values)
    else:
        words = column.to_pandas().map({True: "true", False: "false"}) if pa.types.is_boolean(column.type) else None
        listed = words_of(column).to_pylist() if words is None else words.tolist()
        classes_, y = np.unique(np.array(listed, dtype=str), return_inverse=True)
        classes = tuple(map(str, classes_))
    categories = rows.options.being(name, "category")
    if len(classes) < 2:
        rows.refuse(
            f"column {cut(name)}, the label, is {shortened(classes[0])} in every row",
            _instead(rows, name) or "give it rows of two classes at least",
        )
    if kind != "category" and (
        len(classes) > MOST_NUMBERS if found == "numeric" else too_many(len(classes), len(rows))
    ):
        what = "values" if found == "numeric" else "words"
        predict = f"predict the number: {set_option('task', 'regression')}, " if found == "numeric" else ""
        rows.refuse(
            f"column {cut(name)}, the label, has {len(classes):,} different {what}, too many for classes",
            predict + ", or ".join(filter(None, [_instead(rows, name), f"take each for a class: {categories}"])),
        )
    if (bad := next((word for word in classes if len(word) > 200 or len(word.splitlines()) > 1), None)) is not None:
        row = y.tolist().index(classes.index(bad))
        rows.refuse_at(row, name, f"{shortened(bad)} is no class", "use names on one line, of 200 characters at most")
    return classes, y.astype(np.int64)


def quantities_of(rows: Rows, name: str, kind: Given | None, decimal: Decimal) -> NDArray[np.float64]:
    """Return the labels of a regression, ``[n]``.

    Args:
        rows: the table, in which no label is missing.
        name: of the column of labels.
        kind: what the user says that it holds.
        decimal: what stands before decimals in text.

    Raises:
        DataError: the column does not hold numbers.
    """
    if (found := kind_of(rows, name, kind, decimal)) != "numeric":
        rows.refuse(
            f"column {cut(name)}, the label, holds {NOT_NUMBERS[found]}, and a regression predicts numbers",
            f"name the column of the quantity, or take it for classes: {set_option('task', 'classification')}",
        )
    return numbers_of(rows, name, "numeric", decimal)


def _instead(rows: Rows, name: str) -> str:
    """Suggest the column that looks most like classes, if one does: with the fewest values, but two at least."""
    counts = {other: len(Counter(words_of(rows.table[other]).to_pylist())) for other in rows.names
              if other != name and readable(rows.table[other].type)}  # fmt: skip
    fitting = [other for other in counts if counts[other] > 1 and not too_many(counts[other], len(rows))]
    if not fitting:
        return ""
    return f"name the column of classes: {set_option('label', min(fitting, key=counts.__getitem__))}"
