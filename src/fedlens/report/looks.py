"""How lines of metrics, runs and groups are told apart, whichever ink draws them: colours, markers, dashes.

Colours are Okabe and Ito's, which colour-blind people can tell apart; a line has a marker or a style of its own too.
The malicious client is vermilion everywhere. Markers and dashes have the names that plotly.js gives them.
"""

from typing import NamedTuple

from fedlens.analysis.order import METRICS, in_order

BLACK, BLUE, GREEN, VERMILION = "#000000", "#0072B2", "#009E73", "#D55E00"
PURPLE, ORANGE, SKY = "#CC79A7", "#E69F00", "#56B4E9"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
BENIGN, MALICIOUS = BLUE, VERMILION
BESIDE = "#808080"
"""Of what stands beside a run, and of thresholds."""
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star")
DASHES = ("solid", "dash", "longdashdot", "dashdot")
"""Seven colours, eight markers and four dashes: a look recurs after 56 groups."""


def translucent(colour: str) -> str:
    """Return a colour as CSS has it, so pale that lines are seen through it."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.2)"


class Look(NamedTuple):
    """Colour, marker and line."""

    colour: str
    symbol: str
    dash: str


def look(index: int) -> Look:
    """Return the look of the run or group at `index`."""
    return Look(COLOURS[index % len(COLOURS)], SYMBOLS[index % len(SYMBOLS)], DASHES[index % len(DASHES)])


class Style(NamedTuple):
    """What a metric of a run is called, and its look."""

    label: str
    colour: str
    symbol: str


STYLES = in_order(
    {
        "accuracy": Style("global accuracy", BLUE, "circle"),
        "mae": Style("global MAE", BLUE, "circle"),
        "malicious_mae": Style("malicious model's MAE", VERMILION, "square"),
        "malicious_accuracy": Style("malicious model's accuracy", VERMILION, "square"),
        "confidence": Style("confidence in target class", BLACK, "triangle-up"),
        "asr": Style("attack success rate", PURPLE, "diamond"),
        "true_confidence": Style("confidence in true class", GREEN, "triangle-down"),
    },
    METRICS,
)
