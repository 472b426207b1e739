"""A table of a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows with a head.

    Attributes:
        caption: what the table shows.
        head: the columns' names.
        rows: cells as they are shown, as many in each as there are names.
        words: how many columns at the left are words; the others are numbers.
        path: whether the last column is a path.
        stacked: whether a row is a block on a phone, with the head of each column beside its cell.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Any]]
    words: int = 1
    path: bool = False
    stacked: bool = False
