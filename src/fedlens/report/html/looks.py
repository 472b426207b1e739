"""How lines of runs and groups are told apart: colours that colour-blind people can tell, markers, dashes."""

from typing import NamedTuple

from fedlens.report.figures.comparison import COLOURS

SYMBOLS = ("circle", "square", "diamond", "triangle-down", "triangle-up", "cross", "x", "star")
DASHES = ("solid", "dash", "longdashdot", "dashdot")
TWIN, ABSENT = "dot", "2px,3px,8px,3px"
SIGNS = dict(zip(SYMBOLS, "●■◆▼▲✚✖★", strict=True))


class Look(NamedTuple):
    """Colour, marker and line."""

    colour: str
    symbol: str
    dash: str

    @property
    def sign(self) -> str:
        """The marker as a letter."""
        return SIGNS[self.symbol]


def look(place: int) -> Look:
    """Of the run or group at `place`; it recurs after 56."""
    return Look(COLOURS[place % len(COLOURS)], SYMBOLS[place % len(SYMBOLS)], DASHES[place % len(DASHES)])
