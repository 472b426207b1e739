"""What is printed comes as it is: words of the user's are no markup, and tell the terminal nothing."""

import re
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters but tabs and ends of lines, and those that turn the direction of what follows."""


def visible(text: str) -> str:
    """The text with control characters as Python would write them, which a terminal would obey."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


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
    """A table in which square brackets are square brackets."""

    def __init__(self, *headers: Any, **options: Any) -> None:
        super().__init__(*map(_as_it_is, headers), **{name: _as_it_is(value) for name, value in options.items()})

    def add_column(self, header: RenderableType = "", *arguments: Any, **options: Any) -> None:
        """Add a column with this header."""
        super().add_column(_as_it_is(header), *arguments, **options)

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row of these cells."""
        super().add_row(*map(_as_it_is, cells), **options)


def _as_it_is(value: Any) -> Any:
    return escape(value) if isinstance(value, str) else value
