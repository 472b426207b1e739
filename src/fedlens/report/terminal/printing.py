"""What is printed comes as it is: words of the user's are no markup, and tell the terminal nothing."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.markup import escape
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from fedlens.report.terminal.fitting import bands, longest, shrunk, wrapped

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters but tabs and ends of lines, and those that turn the direction of what follows."""


def visible(text: str) -> str:
    """Return the text with control characters as Python would write them, which a terminal would obey."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


class PlainConsole(Console):
    """A console that shows control characters in place of sending them."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, with control characters of texts made visible."""
        for segment in super().render(renderable, options):
            if segment.control or not _CONTROL.search(segment.text):
                yield segment
            else:
                yield segment._replace(text=visible(segment.text))


class PlainTable(Table):
    """A table in which square brackets are square brackets, and that fits the terminal.

    Lines end between words. Columns for which there is no room stand below the others, beside the first ones again.

    Args:
        headers: of the first columns.
        keys: so many of the first columns say what a row is about.
        options: of `rich.table.Table`.
    """

    def __init__(self, *headers: Any, keys: int = 1, **options: Any) -> None:
        look: dict[str, Any] = {"title_justify": "left", "caption_justify": "left", "box": SIMPLE_HEAD}
        super().__init__(
            *map(_as_it_is, headers), **look | {name: _as_it_is(option) for name, option in options.items()}
        )
        self.keys = keys

    def add_column(self, header: RenderableType = "", *arguments: Any, **options: Any) -> None:
        """Add a column with this header."""
        super().add_column(_as_it_is(header), *arguments, **options)

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row of these cells."""
        super().add_row(*map(_as_it_is, cells), **options)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render it in as many bands as it takes."""
        room = options.max_width - _EDGES
        if self.title:
            yield Text(wrapped(_text(self.title).plain, options.max_width), "table.title")
        if self.columns:
            yield from self._bands(room, lambda cell: Measurement.get(console, options, cell).maximum)
        if self.caption:
            yield Text(wrapped(_text(self.caption).plain, options.max_width), "table.caption")

    def _bands(self, room: int, measure: Callable[[Any], int]) -> Iterator[Table]:
        cells = [[_text(cell) for cell in (column.header, *column.cells)] for column in self.columns]
        natural = [max(map(measure, of_one)) for of_one in cells]
        words = [
            max(longest(cell.plain) if isinstance(cell, Text) else measure(cell) for cell in column_cells)
            for column_cells in cells
        ]
        named = min(self.keys, len(cells))
        least = [min(width, max(1, 2 * room // 3 // named - _BETWEEN)) for width in words[:named]]
        rest = max(1, room - sum(least) - named * _BETWEEN)
        least += [min(width, rest) for width in words[named:]]
        for band in bands(least, named, room, _BETWEEN):
            inside = room - _BETWEEN * (len(band) - 1)
            widths = shrunk([natural[index] for index in band], [least[index] for index in band], inside)
            piece = Table(box=self.box, padding=(0, 1, 0, 0), pad_edge=False)
            for index, width in zip(band, widths, strict=True):
                head = _fitted(cells[index][0], width)
                piece.add_column(head, justify=self.columns[index].justify, width=width)
            for row in range(1, len(cells[0])):
                if any(cells[index][row] for index in band):
                    piece.add_row(*(_fitted(cells[p][row], width) for p, width in zip(band, widths, strict=True)))
            yield piece


_EDGES = 2
"""The cells that the edges of a table take."""
_BETWEEN = 2
"""The cells between two columns."""


def _as_it_is(value: Any) -> Any:
    return escape(value) if isinstance(value, str) else value


def _text(cell: Any) -> Any:
    """Return the content of a cell, strings as texts."""
    return Text.from_markup(cell) if isinstance(cell, str) else cell


def _fitted(cell: Any, width: int) -> Any:
    return Text(wrapped(cell.plain, width), cell.style) if isinstance(cell, Text) else cell
