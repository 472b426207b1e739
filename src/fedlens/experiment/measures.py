"""What is recorded of every update beside what becomes of it, and which check measures the same anyway.

Norms, distances and histograms are recorded where ``record:`` says so. Two of our checks cannot judge without measuring
them, and record them, too: then they are not measured, or written, a second time. This is the only place that knows
which check measures what. It knows them by name, as does a record: a run is read without other people's classes.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from fedlens.core.errors import shortened
from fedlens.core.suggest import nearest

Kind = Literal["norms", "distances", "histograms"]

MEASURES: Mapping[Kind, tuple[str, ...]] = {
    "norms": ("norm", "lowest", "highest", "spread", "sparsity"),
    "distances": ("range", "others"),
    "histograms": ("wasserstein",),
}
"""Names of the numbers that each kind records of a client; histograms have a table of counts, too."""

TO_BENIGN, AMONG_BENIGN = "to_benign", "among_benign"
"""What is recorded with the distances of each of several attackers: the range of its own from benign updates, and the
range among the benign ones. Of one attacker, they are its ``range`` and ``others``."""

MEASURING: Mapping[Kind, str] = {"norms": "statistics", "distances": "distances", "histograms": "statistics"}
"""The check that measures the same anyway."""

CHECK_WITH: Mapping[str, str] = {name: MEASURING[kind] for kind, names in MEASURES.items() for name in names}
"""The check whose details have a number if it is on."""

RECORDING = "recording"
"""What tables are kept under that no check keeps, in place of a check's name."""


def measured_by(checks: Iterable[str]) -> tuple[Kind, ...]:
    """Return the kinds that checks of these names measure."""
    names = set(checks)
    return tuple(kind for kind in MEASURES if MEASURING[kind] in names)


def kinds_read(value: Any) -> Any:
    """Return the option ``record`` with one kind alone taken for a list, as of checks.

    Raises:
        ValueError: it names what cannot be recorded.
    """
    kinds = [] if value == "none" else [value] if isinstance(value, str) else value
    for kind in kinds if isinstance(kinds, list | tuple) else ():
        if kind not in [*MEASURES]:
            meant = nearest(str(kind), MEASURES)
            asked = meant if meant.endswith("?") else f"{meant};"
            raise ValueError(f"there is no {shortened(kind)}; {asked} e.g. -o 'record=[{', '.join(MEASURES)}]'")
    return kinds
