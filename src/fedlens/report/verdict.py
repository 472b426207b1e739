"""A run's verdict: what the attack achieved, in words."""

from collections.abc import Sequence

from fedlens.analysis.counted import counted
from fedlens.analysis.percent import percent
from fedlens.analysis.run_results import Run
from fedlens.analysis.window import FADED, attack_window, lifespan, split, strengths
from fedlens.experiment.experiment import Experiment
from fedlens.report.goal_verdict import goal_verdict
from fedlens.report.words import in_number, quality_words, span_words, target_words
from fedlens.runs.record import RoundRecord, class_name
from fedlens.runs.record_values import counts, destroyed, met, met_rounds, taken, targeted
from fedlens.runs.run_summary import Window


def verdict(run: Run) -> str:
    """Say what the attack achieved; empty for a run without attack, unless its model was destroyed.

    A backdoor is judged by the last round of the attack's window; what became of it afterwards is said apart. What is
    none of the attack's is no success that counts (`fedlens.runs.record_values.counts`).
    """
    if (round_ := destroyed(run.records)) is not None:
        cause = f"by what the rule {run.experiment.server} made of the updates"
        return (
            f"Destroyed: in round {round_} the global model ceased to be finite, {cause}; "
            f"{len(run.records) - 1} of {run.experiment.rounds} rounds had been played before."
        )
    if run.experiment.attack is None:
        return ""
    inside, after = split(run.records, attack_window(run.experiment, run.records))
    last = inside[-1]
    if not last.answers:
        return f"Cannot be judged: after round {last.round}, the global model's answers are no numbers (NaN)."
    if run.experiment.goal is not None:
        return goal_verdict(run, inside, after, _error_words(last) if run.regression else _accuracy_words(last))
    if not targeted(run.experiment):
        when = f"after round {last.round}, " if after else ""
        return f"Untargeted attack: {when}{_accuracy_words(last)}, mean cross-entropy {last.quality.loss:.2f} nats."
    target = last.outcome
    since = _since(inside)
    if len(run.target.index) == 1:
        seen_as = class_name(run.target.classes, target.predicted[0])
        result = f"{target_words(run)} is classified as {seen_as}"
    else:
        result = f"{target.met} of {len(run.target.index)} targets are met"
    if since is None:
        when = f" after round {last.round}"
    elif after:
        when = f" in {span_words(Window(since, last.round))}"
    else:
        when = f" from round {since} on"
    words = f"{result}{when}, confidence in the target class {target.mean_confidence:.2f}; {_accuracy_words(last)}"
    return f"{_achieved(run.experiment, inside)} {words}.{_afterwards(inside, after)}"


def _achieved(experiment: Experiment, records: Sequence[RoundRecord]) -> str:
    """Say whether the last round is a success of the attack's, and whether most are unlike it; ends a clause."""
    count = met_rounds(records)
    if not met(records[-1]):
        most = 2 * count > len(records)
        though = f" in the last round, though the target was met in {count} of {len(records)}" if most else ""
        return f"Attack failed{though}:"
    if counts(experiment, records):
        few = 2 * count < len(records)
        though = f" in the last round, though the target was met in only {count} of {len(records)}" if few else ""
        return f"Attack succeeded{though}:"
    if taken(records) is False:
        return f"Attack failed, for the server never took {in_number('the malicious update', experiment)}:"
    placebo = records[-1].placebo
    assert placebo is not None
    without = placebo.outcome.mean_confidence
    who = in_number("the malicious client", experiment)
    return f"Attack failed: the target is misclassified even without {who} (confidence {without:.2f});"


def _afterwards(inside: Sequence[RoundRecord], after: Sequence[RoundRecord]) -> str:
    """Say what the rounds `after` the window left of the backdoor, if there was one and such rounds."""
    life = lifespan(strengths(inside), strengths(after))
    if life is None or life.rounds == 0:
        return ""
    if life.rounds is None:
        return f" {counted(life.observed, 'round')} after the attack, the confidence has not yet been below {FADED:g}."
    return f" {counted(life.rounds, 'round')} after the attack, the confidence is below {FADED:g}."


def _accuracy_words(record: RoundRecord) -> str:
    """Say the global model's accuracy after a round, and the benign twin's if there is one."""
    words = f"test accuracy {percent(record.quality.share)}"
    if record.twin:
        points = 100 * (record.quality.share - record.twin.quality.share)
        words += f", {_against_twin(points)} the benign twin"
    return words


def _error_words(record: RoundRecord) -> str:
    """Say a regression's error after a round, and the benign twin's if there is one."""
    beside = f" (the benign twin's {quality_words(record.twin.quality)})" if record.twin else ""
    return f"test MAE {quality_words(record.quality)}{beside}"


def _against_twin(points: float) -> str:
    """Say how many percentage points a model is above or below; ends in a preposition."""
    if points == 0:
        return "no different from"
    amount = f"{abs(points):.1f}" if abs(points) >= 0.05 else "less than 0.1"
    return f"{amount} points {'below' if points < 0 else 'above'}"


def _since(records: Sequence[RoundRecord]) -> int | None:
    """Return the round from which the target has been met to the end, if it is met at the end."""
    since = None
    for record in reversed(records):
        if not met(record):
            break
        since = record.round
    return since
