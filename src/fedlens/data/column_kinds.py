"""What a table's column holds: numbers, dates, truths or categories; found out, or given by the user.

Text is a number, a date or a truth where all of it can be read so; where only most can, the table is refused rather
than taken for categories. A whole number that begins with 0, such as a postcode, is a category.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fedlens.core.errors import cut, shortened
from fedlens.data.table_options import Decimal, Given
from fedlens.data.table_rows import Rows
from fedlens.data.user_files import set_option

Kind = Literal["numeric", "category", "date", "boolean"]

LARGEST = 1e100
"""A number is smaller; sums of larger ones overflow."""
EXACT = 2**53
"""Whole numbers beyond are rounded, perhaps to this one."""
MOST_CATEGORIES = 100
"""A column has no more categories, unless the user says that it is one of categories."""

_NUMBER = {
    ".": r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$",
    ",": r"^[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+)?$",
}
_THOUSANDS = r"^[+-]?[1-9]\d{0,2},\d{3}$"
_CODE = r"^[+-]?0\d+$"
_DAY = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?)?$"
_OTHER_DAY = r"^(\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./]\d{1,2}[./]\d{1,2})( .*)?$"
_ALMOST = r"^[$€£¥]?\s?[+\-−]?\d[\d.,' _\x{A0}\x{2009}\x{202F}’]*[%$€£¥]?$"
"""Numbers as people write them, with thousands apart or a unit."""
_TRUTH = r"^(?i:true|false)$"


def readable(kind: pa.DataType) -> bool:
    """Tell whether a column of this type may hold numbers, words, truths or dates."""
    types = pa.types
    of_numbers = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    of_words = types.is_string(kind) or types.is_boolean(kind)
    return bool(of_numbers or of_words or types.is_date(kind) or types.is_timestamp(kind))


def words_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the values of a column as text, null where they are missing."""
    if pa.types.is_floating(column.type):
        return pa.chunked_array([[None if value is None else f"{value:.12g}" for value in column.to_pylist()]])
    return pc.cast(column, pa.string())


def decimal_of(rows: Rows, given: Decimal | None) -> Decimal:
    """Return what stands before the decimals in the columns of text.

    Raises:
        DataError: a comma may stand before decimals, or between thousands.
    """
    if given is not None:
        return given
    for name in rows.names:
        if not pa.types.is_string(rows.table[name].type):
            continue
        words = rows.table[name].drop_null()
        having = words.filter(pc.match_substring(words, ","))
        if not len(having) or not _all(words, _NUMBER[","]):
            continue
        if _all(having, _THOUSANDS):
            rows.refuse_at(
                _first(pc.match_substring(rows.table[name], ",")),
                name,
                f"{shortened(having[0].as_py())} may have decimals, or thousands",
                f"of decimals, {set_option('decimal', ',')}; of thousands, write numbers without commas",
            )
        return ","
    return "."


def kind_of(rows: Rows, name: str, given: Given | None, decimal: Decimal) -> Kind:
    """Find out what a column holds.

    Args:
        rows: the table.
        name: of the column.
        given: what the user says that it holds, if anything.
        decimal: what stands before decimals in text.

    Raises:
        DataError: nothing that a model could be trained on, or things of several kinds.
    """
    column, types = rows.table[name], pa.types
    if column.null_count == len(column):
        rows.refuse(f"column {cut(name)} is empty", f"leave it out: {rows.options.without(name)}")
    if types.is_string(column.type):
        return given or _kind_of_text(rows, name, decimal)
    if types.is_boolean(column.type):
        return "category" if given == "category" else "boolean"
    if types.is_integer(column.type) or types.is_floating(column.type) or types.is_decimal(column.type):
        return given or "numeric"
    if types.is_date(column.type) or types.is_timestamp(column.type):
        return "category" if given == "category" else "date"
    fault = f"column {cut(name)} holds {cut(str(column.type))}, not numbers, words or dates"
    return rows.refuse(fault, f"leave it out: {rows.options.without(name)}")


def _kind_of_text(rows: Rows, name: str, decimal: Decimal) -> Kind:
    words = rows.table[name]
    present, number = words.drop_null(), _NUMBER[decimal]
    if _all(present, _TRUTH):
        return "boolean"
    if _all(present, number):
        return "category" if pc.any(pc.match_substring_regex(present, _CODE)).as_py() else "numeric"
    if _all(present, _DAY):
        return "date"
    others = f"take all for categories: {rows.options.being(name, 'category')}"
    if name != rows.options.label:
        others += f", or leave the column out: {rows.options.without(name)}"
    for pattern, what in ((number, "number"), (_DAY, "date")):
        if 2 * (count := _count(present, pattern)) >= len(present):
            row = _first(pc.invert(pc.match_substring_regex(words, pattern)))
            fault = f"{shortened(words[row].as_py())} is no {what}, as {count:,} of {len(present):,} values are"
            rows.refuse_at(row, name, fault, f"mend it, {others}")
    if 2 * _count(present, _OTHER_DAY) >= len(present):
        row = _first(pc.match_substring_regex(words, _OTHER_DAY))
        fault = f"{shortened(words[row].as_py())} is not written as dates are, 2026-12-31"
        rows.refuse_at(row, name, fault, f"write it so, {others}")
    if 2 * _count(present, _ALMOST) >= len(present):
        row = _first(
            pc.and_(pc.match_substring_regex(words, _ALMOST), pc.invert(pc.match_substring_regex(words, number)))
        )
        fault = f"{shortened(words[row].as_py())} is not written as numbers are, 1234{decimal}5"
        rows.refuse_at(row, name, fault, f"write it so, {others}")
    return "category"


def numbers_of(rows: Rows, name: str, kind: Kind, decimal: Decimal) -> NDArray[np.float64]:
    """Return a column's values as numbers, ``[n]``; NaN where they are missing. Dates are days since 1970.

    Raises:
        DataError: a value is none, or not finite.
    """
    column = rows.table[name]
    if kind == "date":
        return _days(rows, name)
    if pa.types.is_string(column.type) and kind == "boolean":
        column = pc.equal(pc.utf8_lower(column), "true")
    elif pa.types.is_string(column.type):
        _require_all(rows, name, _NUMBER[decimal], "number")
        plain = pc.replace_substring(column, ",", ".") if decimal == "," else column
        column = pc.replace_substring_regex(plain, r"^\+|\.$", "")
    numbers = np.array(pc.cast(column, pa.float64(), safe=False).to_pandas(), dtype=np.float64)
    if (infinite := np.flatnonzero(np.abs(numbers) > LARGEST)).size:
        remedy = f"mend it, or leave the column out: {rows.options.without(name)}"
        rows.refuse_at(int(infinite[0]), name, f"is infinite, or larger than {LARGEST:g}", remedy)
    if rows.options.types.get(name) != "numeric":
        _require_exact(rows, name, numbers)
    return numbers


def _require_exact(rows: Rows, name: str, numbers: NDArray[np.float64]) -> None:
    """Refuse the first whole number that is rounded, as those of keys are."""
    column = rows.table[name]
    if pa.types.is_floating(column.type):
        return
    for row in np.flatnonzero(np.abs(numbers) >= EXACT):
        word = str(column[int(row)].as_py())
        if re.fullmatch(r"[+-]?\d+", word) and int(word) != int(numbers[row]):
            remedy = f"take all for categories: {rows.options.being(name, 'category')}"
            if name != rows.options.label:
                remedy = f"leave the column out: {rows.options.without(name)}, or {remedy}"
            rows.refuse_at(int(row), name, f"{cut(word)} has too many digits for a number, and may be a key", remedy)


def categories_of(rows: Rows, name: str, given: Given | None) -> NDArray[Any]:
    """Return a column's values as words, ``[n]``; ``None`` where they are missing.

    Raises:
        DataError: there are so many different ones that they tell rows apart rather than kinds of them.
    """
    words = words_of(rows.table[name])
    present = words.drop_null()
    found = pc.count_distinct(present).as_py()
    if given is None and too_many(found, len(present)):
        rows.refuse(
            f"column {cut(name)} has {found:,} different words in {len(present):,} rows, such as "
            f"{shortened(present[0].as_py(), 40)}",
            f"leave it out: {rows.options.without(name)}, or take them for categories all the same: "
            f"{rows.options.being(name, 'category')}",
        )
    return np.array(words.to_pylist(), dtype=object)


def too_many(categories: int, values: int) -> bool:
    """Tell whether there are so many different ones among these values that they are no categories."""
    return categories > MOST_CATEGORIES or (categories > 10 and 2 * categories > values)


def _days(rows: Rows, name: str) -> NDArray[np.float64]:
    column, types = rows.table[name], pa.types
    if types.is_string(column.type):
        _require_all(rows, name, _DAY, "date", ", 2026-12-31")
    elif not (types.is_date(column.type) or types.is_timestamp(column.type)):
        rows.refuse(f"column {cut(name)} holds {column.type}, not dates", rows.options.being(name, "numeric"))
    values = pd.Series(column.to_pylist(), dtype=object)
    times = pd.to_datetime(values, format="ISO8601", errors="coerce", utc=True)
    since = (times - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta(days=1)
    days = np.asarray(since, dtype=np.float64)
    if (none := np.flatnonzero(np.isnan(days) & values.notna().to_numpy())).size:
        remedy = f"mend it, or leave the column out: {rows.options.without(name)}"
        rows.refuse_at(int(none[0]), name, f"there is no day {shortened(str(values[none[0]]))}", remedy)
    return days


def _require_all(rows: Rows, name: str, pattern: str, what: str, example: str = "") -> None:
    """Refuse the first word that is not what the user says that the column holds."""
    words = rows.table[name]
    wrong = pc.invert(pc.match_substring_regex(words, pattern))
    if pc.any(wrong).as_py():
        row = _first(wrong)
        remedy = f"mend it, or take all for categories: {rows.options.being(name, 'category')}"
        rows.refuse_at(row, name, f"{shortened(words[row].as_py())} is no {what}{example}", remedy)


def _first(mask: pa.ChunkedArray) -> int:
    return int(pc.index(pc.fill_null(mask, False), True).as_py())


def _count(words: pa.ChunkedArray, pattern: str) -> int:
    return int(pc.sum(pc.match_substring_regex(words, pattern)).as_py() or 0)


def _all(words: pa.ChunkedArray, pattern: str) -> bool:
    return _count(words, pattern) == len(words)
