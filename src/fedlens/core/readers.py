"""Which data set reads a file or a folder, as its name or its content tells."""

from collections.abc import Mapping
from itertools import chain, islice
from pathlib import Path

READERS: Mapping[str, str] = dict.fromkeys((".csv", ".tsv", ".txt", ".parquet", ".pq"), "table") | {".npz": "arrays"}
"""The data set that reads files with this ending."""
_BENEATH: Mapping[str, str] = {".json": "femnist"} | dict.fromkeys(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"), "image-folder"
)
"""The data set that reads a folder of folders with such files in them."""
_MOST = 10_000
"""So many files of a folder are looked at."""


def reader_of(path: Path) -> str | None:
    """Return the data set that reads this file or folder; ``None`` if none of ours does."""
    if not path.is_dir():
        return READERS.get(path.suffix.lower())
    try:
        below = islice(chain(path.glob("*/*"), path.glob("*/*/*")), _MOST)
        return next((_BENEATH[file.suffix.lower()] for file in below if file.suffix.lower() in _BENEATH), None)
    except OSError:
        return None
