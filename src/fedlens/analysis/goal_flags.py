"""Red flags of goals other than target samples."""

from fedlens.runs.record import RoundRecord

HIGH = 0.2
"""A success rate that a trigger cannot be given the credit for: with ten classes, a clean model's is a few percent."""


NO_EFFECT = 1e-6
"""A change of probability that is but rounding."""


def goal_control(last: RoundRecord) -> str | None:
    """Flag a missing control, or one that does what the attacker wants."""
    if last.twin is None:
        return "no control: nobody knows what a clean model does"
    backdoor = last.twin.backdoor
    if backdoor is None or backdoor.rate < HIGH:
        return None
    return (
        f"the control does it, too: without attack {_percent(backdoor.rate)} of the triggered inputs are taken for the "
        "class wanted"
    )


def unseen(last: RoundRecord) -> str | None:
    """Flag a trigger that changes no answer, for example where a convolution's stride leaves out an image's edge."""
    if last.backdoor is None or last.destroyed or last.backdoor.effect >= NO_EFFECT:
        return None
    return "the model does not see the trigger: no answer changes by it; e.g. -o goal.trigger.place=centre"


def untriggered(last: RoundRecord) -> str | None:
    """Flag a model that gives the class wanted to the same inputs without the trigger."""
    backdoor = last.backdoor
    if backdoor is None or backdoor.untriggered < HIGH * backdoor.count:
        return None
    rate = _percent(backdoor.untriggered / backdoor.count)
    return f"the trigger is not needed: without it {rate} of the same inputs are taken for the class wanted"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
