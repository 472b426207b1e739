"""CSV files: text in columns, however it is encoded and separated, read by pyarrow.

A first line of names is expected. The encoding is that of a byte-order mark, or
else UTF-8; others, such as latin-1, have to be given, for they cannot be recognised. The delimiter is the one of
``, ; tab |`` that splits the first lines into equally many fields, and into most, unless a line ``sep=;`` says it, as
Excel writes and reads it.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from functools import reduce
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as pyarrow_csv

from fedlens.core.errors import DataError, cut, shortened
from fedlens.data.table_options import TableOptions
from fedlens.data.table_rows import Rows, require_names
from fedlens.data.user_files import set_option

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 1 << 16
"""Characters in which the delimiter is looked for."""
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SEPARATOR = re.compile(r'"?sep=(?P<mark>[^\n\r])"?[ ,;\t]*(?:\r\n|\n|\r)', re.IGNORECASE)
_PAGES = {r"""\s*(\{\s*["}]|\[\s*[\[{"])""": "JSON", r"\s*<(!|\?xml|/?(?i:html|head|body|table|svg)\b)": "HTML or XML"}
_OTHERS = {
    b"PK\x03\x04": ("a workbook or an archive", "save it as CSV"),
    b"\x1f\x8b": ("compressed", "unpack it: gunzip"),
    b"PAR1": ("a Parquet file", "call it .parquet"),
    b"\x89HDF": ("an HDF5 file", "save it as CSV or Parquet"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save it as CSV"),
    b"%PDF": ("a PDF", "save its table as CSV"),
}


def read_csv(path: Path, name: str, options: TableOptions) -> Rows:
    """Read a CSV file; every value is text, or null where it is missing.

    Args:
        path: where it is.
        name: what to call it in messages.
        options: how to read it.

    Raises:
        DataError: it is no such file; the message says in which row.
    """
    text = _decoded(path.read_bytes(), name, options.encoding)
    if not text.strip():
        raise DataError(f"{name}: is empty; name a file with a line of names and a row for each sample")
    if (what := next((what for pattern, what in _PAGES.items() if re.match(pattern, text)), None)) is not None:
        raise DataError(f"{name}: is {what}, not CSV; save its table as CSV")
    said = _SEPARATOR.match(text)
    text, above = (text, 0) if said is None else (text[said.end() :], 1)
    delimiter = options.delimiter or (said and said["mark"]) or _sniffed(text[:_SAMPLE], complete=len(text) <= _SAMPLE)
    header = list(options.names) or _header(text, delimiter, name, above + 1)
    table, numbers = _parsed(text, delimiter, header, name, above, given=options.delimiter is not None)
    skipped = 0 if options.names else 1
    return Rows.of(table.slice(skipped), name, above + 1, options, numbers[skipped:])


def _decoded(content: bytes, name: str, encoding: str | None) -> str:
    for magic, (what, remedy) in _OTHERS.items():
        if content.startswith(magic):
            raise DataError(f"{name}: is {what}, not a CSV file; {remedy}")
    marked = next((called for mark, called in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding or marked)
    except LookupError:
        remedy = f"e.g. {set_option('encoding', 'latin-1')}"
        raise DataError(f"{name}: data.encoding: there is no {shortened(encoding)}; {remedy}") from None
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        row = content[:start].count(b"\n") + 1
        remedy = f"if it is in the encoding of old Windows programs: {set_option('encoding', 'cp1252')}"
        fault = f"line {row} is not in {encoding or marked} (byte {start:,} is 0x{content[start]:02x})"
        raise DataError(f"{name}: {fault}; {remedy}") from None
    if "\0" in text:
        wide = content[:2][1:] == b"\0" or content[:1] == b"\0"
        guess = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
        remedy = f"e.g. {set_option('encoding', guess)}" if wide else "name a text file, .csv, or a .parquet file"
        raise DataError(f"{name}: is no text in {encoding or marked} (it has zero bytes); {remedy}")
    return text.removeprefix("\ufeff").removesuffix("\x1a")  # the end of a file in DOS


def _sniffed(sample: str, *, complete: bool) -> str:
    """Return the delimiter that splits the lines of `sample` most alike, and into most fields."""
    best, chosen = (0.0, 0), DELIMITERS[0]
    for delimiter in DELIMITERS:
        try:
            counts = [len(row) for row in csv.reader(StringIO(sample, newline=""), delimiter=delimiter) if row]
        except csv.Error:
            continue
        counts = counts if complete else counts[:-1]
        (fields, rows), *_ = Counter(counts).most_common(1) or [(1, 0)]
        if fields > 1 and (rows / len(counts), fields) > best:
            best, chosen = (rows / len(counts), fields), delimiter
    return chosen


def _header(text: str, delimiter: str, name: str, number: int) -> list[str]:
    """Return the names of the first line, which is row `number` of the file.

    Raises:
        DataError: one is missing or there twice, or they are values.
    """
    rows = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [word.strip() for word in next(row for row in rows if row)]
    except csv.Error as error:
        raise DataError(f"{name}: row {number} cannot be read ({error}); write the columns' names there") from None
    numbered = [f"c{number}" for number in range(1, len(header) + 1)]
    if all(_is_number(word) for word in header) or (sum(map(_is_number, header)) > len(header) // 2 and header[1:]):
        remedy = f"write a line of names above, or give them: {set_option('names', numbered)}"
        raise DataError(f"{name}: row {number} has values, not names ({cut(', '.join(header))}); {remedy}")
    if "" in header:
        column = header.index("") + 1
        given = [word or f"c{number}" for number, word in enumerate(header, 1)]
        pandas = column == 1 and "" not in header[1:]
        why = " (pandas writes its row numbers so: to_csv(..., index=False) does not)" if pandas else ""
        remedy = f"write it, or delete row {number} and give all: {set_option('names', given)}"
        raise DataError(f"{name}: row {number}, column {column} has no name{why}; {remedy}")
    if twice := [word for word, count in Counter(header).items() if count > 1]:
        given, seen = [], Counter[str]()
        for word in header:
            seen[word] += 1
            given.append(word if seen[word] == 1 else f"{word}-{seen[word]}")
        remedy = f"rename one, or delete row {number} and give all: {set_option('names', given)}"
        raise DataError(f"{name}: row {number} has the column {cut(', '.join(twice))} more than once; {remedy}")
    require_names(header, f"{name}: row {number}")
    return header


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return word.lower() not in {"nan", "inf", "infinity"}


def _parsed(
    text: str, delimiter: str, header: list[str], name: str, above: int, *, given: bool
) -> tuple[pa.Table, NDArray[np.int64]]:
    """Return all rows with a value, that of names among them, and which row of `text` each is, from 0."""
    bad: list[pyarrow_csv.InvalidRow] = []
    empty: list[int] = []

    def handle(row: pyarrow_csv.InvalidRow) -> str:
        if row.text.strip():
            bad.append(row)
        else:
            empty.append(row.number - 1)
        return "skip"

    content = text.encode()
    try:
        table = pyarrow_csv.read_csv(
            BytesIO(content),
            pyarrow_csv.ReadOptions(
                use_threads=False, column_names=header, block_size=min(max(len(content), 1), 2**30)
            ),
            pyarrow_csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=True,
                invalid_row_handler=handle,
                ignore_empty_lines=len(header) == 1,
            ),
            pyarrow_csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()), null_values=[], strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"{name}: cannot be read as CSV ({cut(str(error), 200)}); is a quote never closed?") from None
    if bad:
        row = bad[0]
        fault = (
            f"row {row.number + above} has {row.actual_columns} values, but there are {row.expected_columns} columns"
        )
        why = f" ({len(bad):,} such rows)" if len(bad) > 1 else ""
        said = cut(row.text.splitlines()[0] if row.text else "")
        remedy = f"mend it (a value with {shortened(delimiter)} in it is quoted)"
        if row.text.count('"') % 2 or len(row.text.splitlines()) > 1:
            remedy = "is a quote never closed? Close it, or double one that is part of a value"
        if len(bad) > table.num_rows:
            first = cut(shortened(text.splitlines()[0]))
            remedy = f"is row {above + 1}, {first}, no line of names? Delete what is above that"
        if given:
            remedy = f"have the delimiter looked for: {set_option('delimiter', None)}"
        raise DataError(f"{name}: {fault}{why}: {said}; {remedy}")
    numbers = np.delete(np.arange(table.num_rows + len(empty)), empty)
    nothing = reduce(pc.and_, (pc.equal(column, "") for column in table.columns))
    table, numbers = table.filter(pc.invert(nothing)), numbers[~nothing.to_numpy()]
    return table.rename_columns(header), numbers
