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


def look(index: int) -> Look:
    """Return the look of the run or group at `index`; looks recur after 56."""
    return Look(COLOURS[index % len(COLOURS)], SYMBOLS[index % len(SYMBOLS)], DASHES[index % len(DASHES)])
