"""What came of a goal other than target samples, in words."""

from collections.abc import Sequence

from fedlens.analysis.counted import counted
from fedlens.analysis.percent import percent
from fedlens.analysis.run_results import Run
from fedlens.analysis.window import FADED, lifespan, strengths
from fedlens.report.words import in_number, wanted_words
from fedlens.runs.record import RoundRecord
from fedlens.runs.record_values import counts, met, met_rounds, mostly_met, taken


def goal_verdict(run: Run, inside: Sequence[RoundRecord], after: Sequence[RoundRecord], accuracy: str) -> str:
    """Say whether the goal was met in the attack's window (`inside`), and how long that lasted.

    Args:
        run: the run.
        inside: rounds of the window.
        after: those after it.
        accuracy: the accuracy after the last round of the window, in words.
    """
    last = inside[-1]
    when = f" after round {last.round}" if after else ""
    words = accuracy
    if (backdoor := last.backdoor) is not None:
        without = "" if last.twin is None or last.twin.backdoor is None else percent(last.twin.backdoor.rate)
        beside = f" (without attack {without})" if without else ""
        asked = f"{counted(backdoor.count, 'test sample')} with the trigger"
        words = f"{percent(backdoor.rate)} of {asked} are taken for {wanted_words(run.target)}{beside}; {accuracy}"
    return f"{_achieved(run, inside)}{when} {words}.{_afterwards(inside, after)}"


def _achieved(run: Run, records: Sequence[RoundRecord]) -> str:
    """Say whether the goal is met, by its own definition; ends a clause."""
    count, of = met_rounds(records), f"in {met_rounds(records)} of {counted(len(records), 'round')}"
    if records[-1].goal_met is None:
        return "Not judged, for there is no control:"
    if not met(records[-1]):
        return f"Attack failed in the last round, though the goal was met {of}:" if count else "Attack failed:"
    if counts(run.experiment, records):
        return f"Attack succeeded, {of}:"
    if not mostly_met(run.experiment, records):
        return f"Attack failed, for the goal is met in the last round, but only {of}:"
    if taken(records) is False:
        return f"Attack failed, for the server never took {in_number('the malicious update', run.experiment)}:"
    return f"Attack failed, for the goal is met even without {in_number('the malicious client', run.experiment)}:"


def _afterwards(inside: Sequence[RoundRecord], after: Sequence[RoundRecord]) -> str:
    """Say what the rounds `after` the window left of a backdoor, if there was one and such rounds."""
    during, later = strengths(inside), strengths(after)
    life = lifespan(during, later) if during else None
    if life is None or life.rounds == 0:
        return ""
    bound = f"{100 * FADED:.0f} %"
    if life.rounds is None:
        return f" {counted(life.observed, 'round')} after the attack, that rate has not yet been below {bound}."
    return f" {counted(life.rounds, 'round')} after the attack, that rate is below {bound}."
