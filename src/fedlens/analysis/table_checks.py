"""What a sweep's table must be, so that it can be grouped, averaged and shown."""

from typing import TYPE_CHECKING, Any

from fedlens.core.errors import shortened

if TYPE_CHECKING:
    import pandas as pd

WHOLE = ("seed", "target.draw", "round")
"""Columns of whole numbers."""


def oddity(table: "pd.DataFrame") -> str | None:
    """Tell what is odd about a table with all columns of a sweep's; ``None`` where nothing is."""
    from pandas.api import types

    if not table.columns.is_unique or not all(isinstance(name, str) for name in table.columns):
        return "columns without a name of their own"
    for name in table.columns:
        column = table[name]
        if name in WHOLE and not (types.is_integer_dtype(column) and not column.hasnans):
            return f"column {shortened(name)}: whole numbers are expected, not {column.dtype}"
        if types.is_bool_dtype(column) or (types.is_numeric_dtype(column) and not types.is_complex_dtype(column)):
            continue
        if not (types.is_string_dtype(column) or types.is_object_dtype(column)):
            return f"column {shortened(name)}: numbers, truths or words are expected, not {column.dtype}"
        if (strange := next((value for value in column if not _is_plain(value)), None)) is not None:
            return f"column {shortened(name)}: {type(strange).__name__} where a number or a word is expected"
    return None


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | bool | int | float) or type(value).__name__ in {"NAType", "bool"}
