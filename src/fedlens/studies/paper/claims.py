"""The paper's claims and the bounds by which they are judged, from ``claims.yaml``."""

from functools import cache
from importlib.resources import files

from pydantic import model_validator

from fedlens.core.config import Config, validate
from fedlens.core.parsing import parse_yaml
from fedlens.experiment.presets import SCALES, Scale
from fedlens.report.figures.figures import Kind
from fedlens.studies.paper.measures import MEASURES, OF_EXPLANATIONS

ROUNDING = 1e-12
"""Numbers this close to a bound count as equal to it: 0.87 − 0.88 is not quite −0.01 in floating point."""


class Part(Config):
    """One number by which a claim is judged.

    Attributes:
        what: the number in words.
        measure: the measure of a run: a function of `fedlens.studies.paper.measures`, or one of
            `fedlens.studies.paper.explained`.
        of: the panel whose run is measured; of two, the second's number is subtracted from the first's.
        paper: what the paper says.
        only: the scales to test it at; by default all.
        at_least: the claim holds if the number is this or more.
        at_most: ... this or less.
        above: ... more than this.
        below: ... less than this.
    """

    what: str
    measure: str
    of: tuple[str, ...]
    paper: str
    only: tuple[Scale, ...] = SCALES
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _sound(self) -> "Part":
        if self.measure not in {*MEASURES, *OF_EXPLANATIONS}:
            raise ValueError(f"there is no measure {self.measure}")
        if self.measure in OF_EXPLANATIONS and len(self.of) > 1:
            raise ValueError(f"{self.what}: {self.measure} is of one panel")
        if not 1 <= len(self.of) <= 2:
            raise ValueError(f"{self.what}: one or two panels are needed")
        if len(self.bounds) > 1 and not (
            self.bounds.keys() == {"at_least", "at_most"} and self.holds(self.bounds["at_least"])
        ):
            raise ValueError(f"{self.what}: one bound is needed, or at_least and at_most with something between them")
        return self

    @property
    def bounds(self) -> dict[str, float]:
        """Return the bounds, if there are any, by their kinds."""
        by_kind = {"at_least": self.at_least, "at_most": self.at_most, "above": self.above, "below": self.below}
        return {kind: value for kind, value in by_kind.items() if value is not None}

    @property
    def decides(self) -> bool:
        """Tell whether the verdict depends on this number."""
        return bool(self.bounds)

    def holds(self, value: float) -> bool:
        """Tell whether `value` is within the bounds."""
        tests = {
            "at_least": lambda bound: value >= bound - ROUNDING,
            "at_most": lambda bound: value <= bound + ROUNDING,
            "above": lambda bound: value > bound + ROUNDING,
            "below": lambda bound: value < bound - ROUNDING,
        }
        return all(tests[kind](bound) for kind, bound in self.bounds.items())

    def bound(self) -> str:
        """Return the bounds in print: ``≥ 0.5``."""
        signs = {"at_least": "≥", "at_most": "≤", "above": ">", "below": "<"}
        return " ".join(f"{signs[kind]} {value:g}" for kind, value in self.bounds.items())


class Claim(Config):
    """One of the paper's claims.

    Attributes:
        figure: where the paper makes it.
        claim: what it says.
        parts: the numbers by which it is judged.
        remark: what its numbers mean or leave out, or why there are none.
    """

    figure: int | str
    claim: str
    parts: tuple[Part, ...]
    remark: str = ""


class Drawing(Config):
    """A picture of a figure of the paper.

    Attributes:
        kind: a kind of figure, as for ``fedlens plot --kind``.
        of: the panels that are drawn side by side.
    """

    kind: Kind
    of: tuple[str, ...]


@cache
def claims() -> dict[str, Claim]:
    """Return every claim by its number."""
    described = parse_yaml((files(__package__) / "claims.yaml").read_text("utf-8"), "claims.yaml")
    return {number: validate(Claim, values, number) for number, values in described.items()}


@cache
def drawings() -> dict[str, Drawing]:
    """Return every drawing by the name of its file."""
    described = parse_yaml((files(__package__) / "drawings.yaml").read_text("utf-8"), "drawings.yaml")
    return {name: validate(Drawing, values, name) for name, values in described.items()}
