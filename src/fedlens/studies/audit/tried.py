"""What an arm did in one forked round, as the ledger has it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter

from fedlens.studies.audit.arms import Arm
from fedlens.studies.audit.forked_round import ForkedRound


@dataclass(frozen=True)
class Tried:
    """An arm in one forked round.

    Attributes:
        forked: what it did; ``None`` if it failed.
        error: why.
    """

    forked: ForkedRound | None
    error: str = ""


TRIED = TypeAdapter(Tried)


@dataclass(frozen=True)
class Fork:
    """One round of a seed's benign twin that an arm is to attack.

    Attributes:
        number: of the seed of the search.
        round: from 1.
        arm: who attacks.
        eta: the share of the mean that the server lets through; ``None`` for the server as it is.

    Example:
        >>> from fedlens.studies.audit.arms import Arm
        >>> from fedlens.studies.audit.tried import Fork
        >>> Fork(0, 2, Arm("pgd"), eta=0.3).key
        'leak 0.3, seed 0, round 2: pgd'
    """

    number: int
    round: int
    arm: Arm
    eta: float | None = None

    @property
    def kind(self) -> str:
        """What the ledger calls its kind."""
        return "fork" if self.eta is None else "leak"

    @property
    def key(self) -> str:
        """What the ledger calls it."""
        where = "" if self.eta is None else f"leak {self.eta:g}, "
        return f"{where}seed {self.number}, round {self.round}: {self.arm.name}"
