"""Attackers who wait all the time, so that a benign twin is played and remembered as an attack later begins from it."""

from pydantic import NonNegativeInt
from typing_extensions import override

from fedlens.attacks.attack import View
from fedlens.attacks.honest import Honest


class Waiting(Honest):
    """An attack that never comes.

    Attributes:
        rounds: for how many rounds each of them remembers what it received and sent.

    Example:
        >>> from fedlens.studies.audit.waiting import Waiting
        >>> Waiting(rounds=2).memory
        2
    """

    rounds: NonNegativeInt = 0

    @property
    @override
    def memory(self) -> int:
        return self.rounds

    @override
    def waits(self, view: View) -> str | None:
        """Return the reason of any attack before its first round."""
        return "delay"
