"""The rows of a table as they stand in its files, with where each is, and what to type about its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fedlens.core.errors import DataError, cut, shortened
from fedlens.core.suggest import likeliest
from fedlens.data.table_options import TableOptions
from fedlens.data.user_files import set_option

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?")
"""What stands for a missing value in text."""
LONGEST_NAME = 200
"""The most characters of a column's name."""


@dataclass(frozen=True)
class File:
    """A file of a table.

    Attributes:
        name: as the experiment says it, for messages.
        first: number of its first row, as people count.
        rows: how many there are, with those of the file that are none of the table, such as one of names.
    """

    name: str
    first: int
    rows: int


@dataclass(frozen=True)
class Rows:
    """Rows of one file, or of that of the training samples followed by that of the test samples.

    Attributes:
        table: their values; text where the file has nothing but text, null where one is missing.
        files: the file, or both, in this order.
        numbers: which row of `files`, counted through, each is; shape ``[n]``.
        options: how the user wants the table to be read.
    """

    table: pa.Table
    files: tuple[File, ...]
    numbers: NDArray[np.int64]
    options: TableOptions

    @classmethod
    def of(
        cls, table: pa.Table, name: str, first: int, options: TableOptions, numbers: NDArray[np.int64] | None = None
    ) -> Rows:
        """Return the rows of one file, which are these of it; all, if nothing is said."""
        tidy = pa.table(list(map(_tidy, table.columns)), names=table.column_names)
        numbers = np.arange(table.num_rows) if numbers is None else numbers
        return cls(tidy, (File(name, first, int(numbers[-1]) + 1 if len(numbers) else 0),), numbers, options)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return list(self.table.column_names)

    @property
    def name(self) -> str:
        """The file of the training samples."""
        return self.files[0].name

    @property
    def of_second(self) -> NDArray[np.bool_]:
        """Tell of each row whether it is in the second file; shape ``[n]``."""
        return self.numbers >= self.files[0].rows

    def take(self, mask: NDArray[np.bool_]) -> Rows:
        """Return the rows where `mask` (``[n]``) is true."""
        return replace(self, table=self.table.filter(pa.array(mask)), numbers=self.numbers[mask])

    def without(self, names: Sequence[str]) -> Rows:
        """Return the rows without these columns."""
        return replace(self, table=self.table.drop_columns(list(names)))

    def refuse(self, fault: str, remedy: str) -> NoReturn:
        """Refuse the table.

        Raises:
            DataError: always.
        """
        raise DataError(f"{self.name}: {fault}; {remedy}")

    def require(self, option: str, name: str, typed: object) -> None:
        """Require that there is a column.

        Args:
            option: the option that names it.
            name: of the column.
            typed: the whole value of that option.

        Raises:
            DataError: there is none; the message has the option as it may have been meant.
        """
        if name in self.names:
            return
        fault = f"data.{option}: there is no column {cut(name)}"
        if (meant := likeliest(name, self.names)) is None:
            self.refuse(fault, f"columns are {cut(', '.join(self.names), 400)}")
        if isinstance(typed, Mapping):
            typed = {meant if key == name else key: value for key, value in typed.items()}
        elif isinstance(typed, Sequence) and not isinstance(typed, str):
            typed = [meant if word == name else word for word in typed]
        else:
            typed = meant
        self.refuse(fault, f"did you mean {meant}? {set_option(option, typed)}")

    def refuse_at(self, row: int, column: str, fault: str, remedy: str) -> NoReturn:
        """Refuse the value of a row, an index into these, and a column.

        Raises:
            DataError: always.
        """
        number, file = int(self.numbers[row]), self.files[0]
        if number >= file.rows:
            number, file = number - file.rows, self.files[1]
        raise DataError(f"{file.name}: row {number + file.first}, column {cut(column)}: {fault}; {remedy}")


def require_names(names: Sequence[str], where: str) -> None:
    """Require that these can be names of columns: on one line, and no longer than `LONGEST_NAME`.

    Raises:
        DataError: one cannot; the message begins with `where`.
    """
    for number, word in enumerate(names, 1):
        if not word or len(word) > LONGEST_NAME or len(word.splitlines()) > 1:
            remedy = f"write one on one line, of {LONGEST_NAME} characters at most"
            raise DataError(f"{where}, column {number}: {shortened(word)} is no name; {remedy}")


def joined(train: Rows, test: Rows) -> Rows:
    """Return the rows of both files.

    Raises:
        DataError: they differ in their columns, or in these columns' types.
    """
    for one, other in ((train, test), (test, train)):
        if missing := [name for name in one.names if name not in other.names]:
            what = f"has no column {cut(', '.join(missing), 400)}, which {one.name} has"
            other.refuse(
                what, f"give both files the same columns, or leave out more: {train.options.without(*missing)}"
            )
    try:
        table = pa.concat_tables([train.table, test.table.select(train.names)], promote_options="permissive")
    except pa.ArrowInvalid as error:
        test.refuse(f"its columns are of other types than those of {train.name} ({error})", "write both alike")
    numbers = np.concatenate([train.numbers, test.numbers + train.files[0].rows])
    return replace(train, table=table, files=train.files + test.files, numbers=numbers)


def _tidy(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column in which text has no blanks around it, and what is missing is null."""
    types, kind = pa.types, column.type
    kind = kind.value_type if types.is_dictionary(kind) else kind
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        words = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
        return pc.if_else(pc.is_in(words, pa.array(MISSING)), pa.scalar(None, pa.string()), words)
    column = pc.cast(column, kind)
    if types.is_floating(kind):
        return pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
    return column
