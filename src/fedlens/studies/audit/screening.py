"""Stage 1 of an audit: every arm attacks every forked round, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fedlens.core.errors import ClientError, ConfigError
from fedlens.studies.audit.arms import Arm
from fedlens.studies.audit.forked_round import ForkedRound
from fedlens.studies.audit.forks import Forks


@dataclass(frozen=True)
class Unfit:
    """An arm that cannot attack these rounds.

    Attributes:
        arm: its name.
        reason: why, with a remedy.
    """

    arm: str
    reason: str


def screen(forks: Forks, arms: Sequence[Arm]) -> Iterator[ForkedRound | Unfit]:
    """Attack all rounds with each arm, in order; an arm that cannot attack, or fails, is `Unfit` from there on.

    In which window of a whole federation an arm acts makes no difference here, so that only those of every round do.
    """
    for arm in arms:
        if arm.window != "every round":
            continue
        try:
            attack = arm.made(forks.experiment)
            for round_ in forks.rounds:
                yield forks.attack(attack, round_, arm.name)
        except (ClientError, ConfigError) as error:
            yield Unfit(arm.name, str(error))
