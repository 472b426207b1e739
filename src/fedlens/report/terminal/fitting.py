"""Text and columns that fit a terminal: lines end between words, and what has no room beside goes below."""

import re
from collections.abc import Sequence

from rich.cells import cell_len, chop_cells

_WORD = re.compile(r"\S+(?: %\S*)*")
"""A word; a percent sign belongs to the number before it."""

_COMMANDS = "run|show|plot|explain|report|watch|sweep|compare|reproduce|list|data|partition|new|cache"
_PASTED = re.compile(
    rf"\(?`[^`]*`\S*|\(?fedlens (?:{_COMMANDS})\b(?:(?!,\s|;|\)|`).)*\S*"
    rf"|\(?-{{1,2}}[\w-]+ (?:'[^']*'\S*|\S+)|{_WORD.pattern}"
)
"""A word, or what is pasted as a whole: a command, or an option with its value."""


def longest(text: str) -> int:
    """Count the cells that the longest word of a text takes."""
    return max(map(cell_len, _WORD.findall(text)), default=0)


def wrapped(text: str, width: int) -> str:
    r"""Wrap the text to lines of at most so many cells, broken between words; a longer word is cut.

    Example:
        >>> wrapped("test accuracy 83.7 %, in short", 18)
        'test accuracy\n83.7 %, in short'
    """
    return "\n".join(line for given in text.split("\n") for line in _lines(given, width))


def sentences(text: str, width: int) -> str:
    r"""Wrap sentences to lines of at most so many cells, broken between words but never within a command to paste.

    What is longer than a line has one of its own, whole, which the terminal breaks without changing what is pasted.

    Example:
        >>> sentences("one seed: repeat it with `fedlens sweep`", 30)
        'one seed: repeat it with\n`fedlens sweep`'
    """
    return "\n".join(line for given in text.split("\n") for line in _whole(given, width))


def _whole(given: str, width: int) -> list[str]:
    lines: list[str] = []
    for piece in _PASTED.findall(given) if cell_len(given) > width else [given]:
        if lines and cell_len(f"{lines[-1]} {piece}") <= width:
            lines[-1] += f" {piece}"
        else:
            lines.append(piece)
    return lines or [""]


def _lines(given: str, width: int) -> list[str]:
    if cell_len(given) <= width:
        return [given]
    lines = [""]
    for word in _WORD.findall(given):
        for piece in chop_cells(word, max(width, 1)):
            joined = f"{lines[-1]} {piece}" if lines[-1] else piece
            if cell_len(joined) <= width:
                lines[-1] = joined
            else:
                lines.append(piece)
    return lines


def bands(least: Sequence[int], keys: int, room: int, between: int) -> list[list[int]]:
    """Choose which columns are side by side: all of them if they fit, else one band below the other.

    Args:
        least: the cells that each column takes at least.
        keys: so many of the first columns name a row, and are repeated in each band.
        room: the cells that there are for a band.
        between: the cells from one column to the next.

    Example:
        >>> bands([5, 4, 4, 4], keys=1, room=14, between=1)
        [[0, 1, 2], [0, 3]]
    """
    named = list(range(min(keys, len(least))))
    stacked = [list(named)]
    for column in range(len(named), len(least)):
        needed = sum(least[other] + between for other in stacked[-1]) + least[column]
        if needed > room and len(stacked[-1]) > len(named):
            stacked.append(list(named))
        stacked[-1].append(column)
    return stacked


def shrunk(natural: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Shrink the columns to so much room: the widest give way, none beyond what it takes at least.

    Example:
        >>> shrunk([10, 4, 6], [5, 4, 6], 16)
        [6, 4, 6]
    """
    widths = list(natural)
    while sum(widths) > room:
        able = [(width, column) for column, width in enumerate(widths) if width > least[column]]
        if not able:
            break
        widths[max(able)[1]] -= 1
    return widths
