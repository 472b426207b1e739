"""Reading a page as a browser would, as far as tests need it."""

import json
from base64 import b64decode
from html.parser import HTMLParser
from typing import Any

import numpy as np


class Reader(HTMLParser):
    """The elements of a page, the text in them, and the numbers that it carries."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self._within: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self._within = tag
            if tag == "script":
                self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._within:
            self._within = None

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.scripts[-1] += data
        elif self._within is None:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def placed(self) -> list[str]:
        """The charts by name, in the order of the page."""
        return [str(attributes["data-chart"]) for _, attributes in self.elements if "data-chart" in attributes]

    @property
    def charts(self) -> dict[str, Any]:
        """What the page has of its charts, with their columns as lists."""
        found: dict[str, Any] = json.loads(self.scripts[0])["charts"]
        for chart in found.values():
            chart["columns"] = {name: listed(column) for name, column in chart["columns"].items()}
        return found


def listed(column: Any) -> list[Any]:
    """The cells of a column that is a list, or different values and a code of one or two bytes for each cell."""
    if isinstance(column, list):
        return column
    codes = np.frombuffer(b64decode(column["codes"]), dtype=f"<u{column['size']}")
    return [column["values"][code] for code in codes]
