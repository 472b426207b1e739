"""Red flags of goals other than target samples."""

from collections.abc import Sequence

from fedlens.analysis.percent import percent
from fedlens.goals.goal import EXCESS
from fedlens.runs.record import RoundRecord
from fedlens.runs.record_values import taken

HIGH = 0.2
"""So large a share of the inputs, beyond what a model without attack or without trigger does anyway, is conspicuous."""

CONTROL = "the control does it, too"
UNTRIGGERED = "the trigger is not needed"
UNSEEN = "the model does not see the trigger"
ALIKE, NEARLY_ALIKE = "the trigger replaces the whole input", "the trigger replaces nearly the whole input"

NO_EFFECT = 1e-6
"""A change of probability that is but rounding."""


def goal_control(last: RoundRecord) -> str | None:
    """Flag a missing control, or one that does what the attacker wants.

    Compared is the twin's rate with the trigger and its rate on the same inputs without: only what it gives the class
    wanted because of the trigger (at least `HIGH` of the inputs) is the trigger's work without any attack. What a twin
    errs without the trigger, as with two classes it often does, is no flag, unless it gives that class to so many
    that no attack can exceed it by `EXCESS`.
    """
    if last.twin is None:
        return "no control: nobody knows what a clean model does"
    backdoor = last.twin.backdoor
    if backdoor is None:
        return None
    unbeatable = backdoor.rate + EXCESS > 1
    if not unbeatable and backdoor.hits - backdoor.untriggered < HIGH * backdoor.count:
        return None
    words = (
        f"{CONTROL}: without attack {percent(backdoor.rate)} of the triggered inputs are taken for the class wanted, "
        f"and {percent(backdoor.untriggered / backdoor.count)} of the same inputs without the trigger"
    )
    return f"{words}, so that no attack can exceed it by {EXCESS:g}" if unbeatable else words


def alike(last: RoundRecord) -> str | None:
    """Flag a trigger that leaves one input, or few distinct ones, of all: then the rate is of so many, not of all."""
    if last.backdoor is None or (left := last.backdoor.distinct) is None:
        return None
    count = last.backdoor.count
    if left == 1:
        return f"{ALIKE}: with it, all {count} test samples are one and the same, and a rate over these says nothing"
    return f"{NEARLY_ALIKE}: with it, {count} test samples are but {left} distinct ones, and the rate is one over these"


def unseen(records: Sequence[RoundRecord]) -> str | None:
    """Flag a trigger that changes no answer, for example where a convolution's stride leaves out an image's edge.

    Where no malicious update had any weight, nothing taught the model the trigger, and nobody can tell.
    """
    last = records[-1]
    if last.backdoor is None or last.destroyed or last.backdoor.effect >= NO_EFFECT or taken(records) is False:
        return None
    return f"{UNSEEN}: no answer changes by it; e.g. -o goal.trigger.place=centre"


def untriggered(last: RoundRecord) -> str | None:
    """Flag a model that gives the class wanted to the same inputs without the trigger, because of the attack.

    Compared are the attacked model's answers to the inputs without the trigger and the benign twin's to the same ones:
    it is flagged if it gives the class wanted to `HIGH` of them more than the twin. Without a twin, of which there is
    a flag already, nothing can be compared.
    """
    backdoor, twin = last.backdoor, None if last.twin is None else last.twin.backdoor
    if backdoor is None or twin is None or backdoor.untriggered - twin.untriggered < HIGH * backdoor.count:
        return None
    rate, twins = (percent(side.untriggered / side.count) for side in (backdoor, twin))
    return (
        f"{UNTRIGGERED}: without it {rate} of the same inputs are taken for the class wanted (without attack {twins})"
    )
