"""Parquet files, whose columns have types."""

from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from fedlens.core.errors import DataError, cut
from fedlens.data.table_options import TableOptions
from fedlens.data.table_rows import Rows, require_names

_INDEX = "__index_level_"
"""How the name begins under which pandas writes the index of a frame."""


def read_parquet(path: Path, name: str, options: TableOptions) -> Rows:
    """Read a Parquet file without what was a frame's index in pandas.

    Args:
        path: where it is.
        name: what to call it in messages.
        options: how to read it.

    Raises:
        DataError: it is no such file.
    """
    try:
        table = parquet.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        reason = cut(str(error).splitlines()[0], 200)
        raise DataError(f"{name}: cannot be read as Parquet ({reason}); write it again, or name another file") from None
    table = table.drop_columns([column for column in table.column_names if column.startswith(_INDEX)])
    names = table.column_names
    if len(set(names)) < len(names):
        twice = next(column for column in names if names.count(column) > 1)
        raise DataError(f"{name}: has the column {cut(twice)} more than once; rename one and write it again")
    require_names(names, f"{name}: the schema")
    return Rows.of(table, name, 1, options)
