"""How a table is to be read, as the user has typed it, and what to type so that a message's suggestion adds to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fedlens.data.user_files import set_option

Given = Literal["numeric", "category", "date"]
Missing = Literal["refuse", "drop", "category", "mean"]
Scaling = Literal["min-max", "standard"]
Decimal = Literal[".", ","]
Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class TableOptions:
    """The options of `fedlens.data.Table`; see there."""

    path: str
    label: str | None = None
    test: float | str = 0.2
    group: str | None = None
    drop: tuple[str, ...] = ()
    types: Mapping[str, Given] = field(default_factory=dict)
    missing: Missing = "refuse"
    scaling: Scaling = "min-max"
    delimiter: str | None = None
    decimal: Decimal | None = None
    encoding: str | None = None
    names: tuple[str, ...] = ()
    task: Task = "classification"

    def without(self, *names: str) -> str:
        """Return what to type to leave columns out, too."""
        return set_option("drop", [*self.drop, *names])

    def being(self, name: str, kind: str) -> str:
        """Return what to type so that a column, too, is read as `kind`."""
        return set_option("types", {**self.types, name: kind})
