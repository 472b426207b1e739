"""Attacks that are made of honest updates alone, those of the whole cohort or of the team's members."""

from __future__ import annotations

from typing import Literal

from fedlens.attacks.attack import Attack, Sight
from fedlens.attacks.objective import OnlyUntargeted


class OnUpdates(Attack):
    """An attack on the whole model whose option `sees` says whose honest updates it is made of."""

    objective: OnlyUntargeted = "untargeted"
    sees: Literal["all", "team"] = "all"
    boost: Literal[1] = 1

    @property
    def sight(self) -> Sight:  # type: ignore[override]
        """What it sees: see `sees`."""
        return self.sees
