"""What one attacked round did, beside the same round with the clients honest, and with them absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log

from fedlens.core.documents import Logged

SMALLEST = 1e-12
"""Probabilities are kept this far from 0 and 1, so that every one has log-odds."""


def log_odds(probability: float) -> float:
    """Return the log-odds of a probability, in nats."""
    value = min(max(probability, SMALLEST), 1 - SMALLEST)
    return log(value) - log(1 - value)


@dataclass(frozen=True)
class Outcome:
    """The global model after a round, as the goal measures it.

    Attributes:
        value: the mean confidence in the target classes; of a backdoor the attack success rate; of plain damage what
            the model lost against the honest round's.
        success: whether the goal is met.
        accuracy: on the test set, a fraction; ``None`` of a regression.
        error: the error on the test set: 1 less the accuracy, or of a regression the MAE in standard deviations of the
            labels; infinite where there are no numbers.

    Example:
        >>> from fedlens.studies.audit.forked_round import Outcome
        >>> round(Outcome(value=0.9, success=True, accuracy=0.75, error=0.25).log_odds, 2)
        2.2
    """

    value: float
    success: bool
    accuracy: float | None
    error: float

    @property
    def log_odds(self) -> float:
        """The log-odds of `value`, if that is a probability, in nats."""
        return log_odds(self.value)


@dataclass(frozen=True)
class ForkedRound:
    """One attacked round that begins where the benign twin's does.

    Attributes:
        arm: what the attack is called.
        seed: the experiment's.
        round: number of the round, from 1.
        attacked: the model after it.
        honest: the model after the same round with the malicious clients honest.
        absent: with all of them absent, the placebo; ``None`` where the chain needs more updates than are left.
        acted: whether a malicious client attacked; a cohort need not have one, and an attack may wait.
        reason: why it did not, in a word; empty if it did.
        announced: the malicious clients' weights α together.
        effective_weight: the weight that their updates had in the end; ``None`` if the rule cannot tell.
        applied: whether what they sent was used: they had weight, or where that is not known, the model is another
            than without them.
        rejected_by: the checks, and filters of the chain, that rejected a malicious client, or ``reception``.
        flagged_by: all of them that flagged one.
        log: what the attack logged, of the first malicious client that attacked.
        destroyed: whether the round left no finite model.
        skipped: why the server left its model as it is; empty if it did not.
        seconds: how long the attacked round took.

    Example:
        >>> from fedlens.studies.audit.forked_round import ForkedRound, Outcome
        >>> honest, attacked = Outcome(0.1, False, 0.875, 0.125), Outcome(0.9, True, 0.75, 0.25)
        >>> forked = ForkedRound("mine", 0, 3, attacked, honest, absent=honest, acted=True, announced=0.1)
        >>> forked.cost, forked.succeeds(0.2), round(forked.gain, 1)
        (0.125, True, 4.4)
    """

    arm: str
    seed: int
    round: int
    attacked: Outcome
    honest: Outcome
    absent: Outcome | None
    acted: bool
    announced: float
    reason: str = ""
    effective_weight: float | None = None
    applied: bool = True
    rejected_by: tuple[str, ...] = ()
    flagged_by: tuple[str, ...] = ()
    log: Mapping[str, Logged] = field(default_factory=dict)
    destroyed: bool = False
    skipped: str = ""
    seconds: float = 0.0

    @property
    def cost(self) -> float:
        """What the attack costs in test accuracy, against the honest round; of a regression in its error."""
        return self.attacked.error - self.honest.error

    @property
    def placebo(self) -> bool:
        """Whether the goal is met without the malicious clients, too."""
        return self.absent is not None and self.absent.success

    @property
    def gain(self) -> float:
        """What the attack adds to the log-odds of the goal's probability, against absence, in nats.

        Against the honest round where there is no placebo. Of plain damage, see `cost`.
        """
        return self.attacked.log_odds - (self.absent or self.honest).log_odds

    def succeeds(self, largest_cost: float) -> bool:
        """Tell whether the attack is what met the goal, at this cost at most."""
        return (
            self.attacked.success
            and self.acted
            and self.applied
            and not self.placebo
            and not self.destroyed
            and self.cost <= largest_cost
        )
