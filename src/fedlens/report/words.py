"""A run in words: its head line, its verdict, the names of its components."""

import re
from collections.abc import Mapping, Sequence
from shlex import quote

from fedlens.analysis.run_results import Run
from fedlens.analysis.window import FADED, attack_window, lifespan, split
from fedlens.core.registry import name_of
from fedlens.experiment.experiment import Experiment
from fedlens.runs.record import RoundRecord, class_name
from fedlens.runs.record_values import counts, destroyed, met, met_rounds, taken, targeted
from fedlens.runs.run_summary import Performance, Window

CONTROLS = {"control": "benign twin", "placebo": "client absent"}
"""What stands beside a run, by what records call it."""
BESIDE = {"control": "without attack", "placebo": "client absent"}
"""The columns with its numbers."""

NAMED = 6
"""At most this many attackers are named one by one."""

_GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "epsilon": "ε"}


def flags_of_all(runs: Mapping[str, Run]) -> list[str]:
    """Return the red flags of runs, given by their names; those that only some have say which."""
    names_by_flag: dict[str, list[str]] = {}
    for name, run in runs.items():
        for flag in run.flags:
            names_by_flag.setdefault(flag, []).append(name)
    return [
        flag if len(names) == len(runs) else f"{flag} ({', '.join(names)})" for flag, names in names_by_flag.items()
    ]


def percent(share: float) -> str:
    """Format a fraction as a percentage with one decimal."""
    return f"{100 * share:.1f} %"


def signed(points: float) -> str:
    """Format a difference in percentage points with one decimal and its sign."""
    return f"{points:+.1f}".replace("-", "−")


def attack_name(experiment: Experiment) -> str:
    """Return the attack's name, as YAML has it."""
    return "none" if experiment.attack is None else name_of("attack", experiment.attack)


def method_words(method: str) -> str:
    """Return the name of a method of explanation, as figures show it: ``LRP α1 β0`` for ``lrp-alpha1-beta0``."""
    name, *options = re.split(r":(?=\w+=)", method)
    words = name.split("-")
    if words[0] == "lrp":
        words = ["LRP", *(re.sub("^(alpha|beta|gamma|epsilon)", lambda match: _GREEK[match[0]], w) for w in words[1:])]
    return " ".join([*words, *options])


def absent_words(experiment: Experiment) -> str:
    """Say who is absent: ``without client 9``; empty where nobody is."""
    if not experiment.absent:
        return ""
    several = "s" if len(experiment.absent) > 1 else ""
    return f"without client{several} {', '.join(map(str, experiment.absent))}"


def attackers_words(experiment: Experiment) -> str:
    """Name the attackers: ``client 9``, ``clients 7, 8 and 9``, or, if they are many, how many."""
    team = [str(client) for client in experiment.team]
    if len(team) > NAMED:
        return f"{len(team)} clients"
    return f"client {team[0]}" if len(team) == 1 else f"clients {', '.join(team[:-1])} and {team[-1]}"


def headline(experiment: Experiment) -> str:
    """Say in one line what was run."""
    local = experiment.local
    work = f"E={local.epochs:g}" if local.epochs is not None else f"{local.steps} steps"
    names = {kind: name_of(kind, getattr(experiment, kind)) for kind in ("data", "model", "partition")}
    absent = f"{words}, " if (words := absent_words(experiment)) else ""
    return (
        f"{names['data']} ({names['partition']}), model {names['model']}, K={experiment.clients}, "
        f"{experiment.cohort_size} a round, {absent}T={experiment.rounds}, {work}, B={local.batch_size}, "
        f"{local.optimizer} {local.learning_rate:g}, rule {experiment.server}, seed {experiment.seed}"
    )


def target_words(run: Run) -> str:
    """Name the attacker's samples: ``test sample 7 (true class 9, target class 5)``, or how many there are."""
    index, classes = run.target.index, run.target.classes
    if len(index) > 1:
        return f"{len(index)} test samples"
    true, target = classes[run.target.true[0]], classes[run.target.target[0]]
    return f"test sample {index[0]} (true class {true}, target class {target})"


def unfinished_words(run: Run) -> str:
    """Say how far an interrupted run has come, and the command that resumes it."""
    played, wanted = len(run.records), run.experiment.rounds
    return f"Not finished: {played} of {wanted} rounds. Go on with: fedlens run --resume --out {quote(str(run.path))}"


def latest_words(accuracy: float, confidence: float | None) -> str:
    """Say how a round ended: ``accuracy 84.2 %, target confidence 0.913``."""
    words = f"accuracy {percent(accuracy)}"
    return words if confidence is None else f"{words}, target confidence {confidence:.3f}"


def span_words(window: Window) -> str:
    """Name the rounds of a window: ``round 3``, or ``rounds 3 to 6``."""
    first, last = window.first, window.last
    return f"round {first}" if first == last else f"rounds {first} to {last}"


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
        return "Attack failed, for the server never took the malicious update:"
    placebo = records[-1].placebo
    assert placebo is not None
    without = placebo.target.mean_confidence
    return f"Attack failed: the target is misclassified even without the malicious client (confidence {without:.2f});"


def _afterwards(inside: Sequence[RoundRecord], after: Sequence[RoundRecord]) -> str:
    """Say what the rounds `after` the window left of the backdoor, if there was one and such rounds."""
    life = lifespan([record.outcome for record in inside], [record.outcome for record in after])
    if life is None or life.rounds == 0:
        return ""
    if life.rounds is None:
        return f" {counted(life.observed, 'round')} after the attack, the confidence has not yet been below {FADED:g}."
    return f" {counted(life.rounds, 'round')} after the attack, the confidence is below {FADED:g}."


def detection_words(done: Performance) -> tuple[str, str, str]:
    """Say how often a check flagged the malicious client, and honest ones, and its ROC AUC."""
    caught = f"{done.caught} of {done.attacking}" if done.attacking else "nobody to catch"
    area = "–" if done.roc_auc is None else f"{done.roc_auc:.2f}"
    return caught, f"{done.false_alarms} of {done.honest}", area


def counted(count: int, noun: str) -> str:
    """Say how many there are: ``1 round``, ``3 rounds``."""
    return f"{count} {noun}{'s' * (count != 1)}"


def _accuracy_words(record: RoundRecord) -> str:
    """Say the global model's accuracy after a round, and the benign twin's if there is one."""
    words = f"test accuracy {percent(record.quality.accuracy)}"
    if record.twin:
        points = 100 * (record.quality.accuracy - record.twin.quality.accuracy)
        words += f", {abs(points):.1f} points {'below' if points < 0 else 'above'} the benign twin"
    return words


def _since(records: Sequence[RoundRecord]) -> int | None:
    """Return the round from which the target has been met to the end, if it is met at the end."""
    since = None
    for record in reversed(records):
        if not met(record):
            break
        since = record.round
    return since
