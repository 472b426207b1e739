"""Probes: what a team that sees all updates sends to find out how a server answers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import NonNegativeFloat
from typing_extensions import override

from fedlens.attacks.attack import Attack, Sight
from fedlens.attacks.team import Crafted, Team

Form = Literal["own", "opposite", "others"]


class Probe(Attack):
    """Updates of a known direction and length, from every member of the team.

    Attributes:
        form: its ``own`` honest update, its ``opposite``, or the mean of all ``others``.
        scale: what that is multiplied by.
        boost: 1; see `scale`.

    Example:
        >>> from fedlens.studies.audit.probing import Probe
        >>> Probe(form="others", scale=10).sight
        'all'
    """

    sight: ClassVar[Sight] = "all"

    form: Form = "own"
    scale: NonNegativeFloat = 1.0
    boost: Literal[1] = 1

    @override
    def collude(self, team: Team) -> Crafted:
        assert team.others is not None
        rows = team.honest
        if self.form == "others" and len(team.others):
            rows = team.others.mean(dim=0).expand_as(team.honest)
        return Crafted(rows * (-self.scale if self.form == "opposite" else self.scale))
