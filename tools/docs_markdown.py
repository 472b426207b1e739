"""Markdown, piece by piece, for the pages of the documentation that are generated."""

from collections.abc import Iterable, Iterator, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; a bar in a cell does not end it."""
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for cells in rows:
        yield f"| {' | '.join(' '.join(cell.split()).replace('|', '&#124;') for cell in cells)} |"
    yield ""


def fence(language: str, text: str) -> Iterator[str]:
    """Yield the lines of a block of code."""
    yield from (f"```{language}", *text.strip("\n").splitlines(), "```", "")


def folded(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield lines that the reader unfolds."""
    yield f'??? note "{title}"'
    yield ""
    yield from (f"    {line}" if line else "" for line in lines)
    yield ""


def code(words: Iterable[str], between: str = ", ") -> str:
    """Format words as code."""
    return between.join(f"`{word}`" for word in words)
