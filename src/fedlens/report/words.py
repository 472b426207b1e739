"""A run in words: its head line, what the attackers want, the names of its components."""

import re
from collections.abc import Mapping
from shlex import quote

from fedlens.analysis.flags import listed
from fedlens.analysis.percent import percent
from fedlens.analysis.run_results import Run
from fedlens.core.registry import name_of
from fedlens.experiment.cell import label
from fedlens.experiment.experiment import Experiment
from fedlens.runs.metadata import TargetRecord
from fedlens.runs.record import Quality
from fedlens.runs.run_summary import Performance, Window

CONTROLS = {"control": "benign twin", "placebo": "client absent"}
"""What stands beside a run, by what records call it."""
BESIDE = {"control": "without attack", "placebo": "client absent"}
"""The columns with its numbers."""

METRIC_TITLES = {
    "balanced_accuracy": "balanced accuracy", "f1": "macro F1", "auc": "area under the ROC curve",
    "mae": "test MAE", "rmse": "test RMSE", "nmae": "test MAE in standard deviations",
}  # fmt: skip
"""What is measured besides accuracy, or in its place, for people."""

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


def signed(points: float) -> str:
    """Format a difference in percentage points with one decimal and its sign; one that is rounded to zero has none."""
    words = f"{points:+.1f}".replace("-", "−")
    return words[1:] if words[1:] == "0.0" else words


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
    return f"without {listed(experiment.absent)}" if experiment.absent else ""


def in_number(words: str, experiment: Experiment) -> str:
    """Put ``client`` and ``update`` into the plural if several attack: ``clients absent`` for ``client absent``."""
    return numbered(words, several=len(experiment.team) > 1)


def numbered(words: str, *, several: bool) -> str:
    """Put ``client`` and ``update`` into the plural if there are `several`."""
    return re.sub(r"\b(client|update)\b", r"\1s", words) if several else words


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
    never_there = set(experiment.absent) & set(experiment.every_round)
    cohort = experiment.cohort_size - len(never_there)
    return (
        f"{names['data']} ({names['partition']}), model {names['model']}, K={experiment.clients}, "
        f"{cohort} a round, {absent}T={experiment.rounds}, {work}, B={local.batch_size}, "
        f"{label(local.described('optimizer'))} {local.learning_rate:g}, {_unusual_words(experiment)}"
        f"rule {experiment.server}, seed {experiment.seed}"
    )


def _unusual_words(experiment: Experiment) -> str:
    """Say what is unusual about how clients train, or fail, with a comma after each."""
    told = experiment.local.model_dump(mode="json", include={*experiment.local.later}, exclude_defaults=True)
    if experiment.failures is not None:
        told["failures"] = experiment.failures.model_dump(mode="json", exclude_defaults=True)
    return "".join(f"{name.replace('_', ' ')} {label(value)}, " for name, value in told.items())


def target_words(run: Run) -> str:
    """Name the attacker's samples: ``test sample 7 (true class 9, target class 5)``, their number, or the goal."""
    if run.target.goal is not None:
        return goal_words(run.target)
    index, classes = run.target.index, run.target.classes
    if len(index) > 1:
        return f"{len(index)} test samples"
    true, target = classes[run.target.true[0]], classes[run.target.target[0]]
    return f"test sample {index[0]} (true class {true}, target class {target})"


def goal_words(target: TargetRecord) -> str:
    """Name the goal: ``backdoor (trigger pixel-patch, target class 7)``."""
    goal = target.goal or {}
    trigger = goal.get("trigger")
    parts = [f"trigger {trigger.get('name')}"] if isinstance(trigger, dict) else []
    numbers = {name: goal.get(name) for name in ("source", "target")}
    parts += [f"{name} class {target.classes[number]}" for name, number in numbers.items() if isinstance(number, int)]
    return f"{goal.get('name')} ({', '.join(parts)})" if parts else str(goal.get("name"))


def wanted_words(target: TargetRecord) -> str:
    """Say what triggered inputs are to be taken for: ``class 7``; for a goal of one's own ``the class wanted``."""
    number = (target.goal or {}).get("target")
    return f"class {target.classes[number]}" if isinstance(number, int) else "the class wanted"


def unfinished_words(run: Run) -> str:
    """Say how far an interrupted run has come, and the command that resumes it."""
    played, wanted = len(run.records), run.experiment.rounds
    return f"Not finished: {played} of {wanted} rounds. Go on with: fedlens run --resume --out {quote(str(run.path))}"


def latest_words(
    accuracy: float | None, confidence: float | None, rate: float | None = None, mae: float | None = None
) -> str:
    """Say how a round ended: ``accuracy 84.2 %, target confidence 0.913``, or its attack success rate, or its MAE."""
    words = f"MAE {error_words(mae)}" if accuracy is None else f"accuracy {percent(accuracy)}"
    if confidence is not None:
        words += f", target confidence {confidence:.3f}"
    return words if rate is None else f"{words}, attack success rate {percent(rate)}"


def span_words(window: Window) -> str:
    """Name the rounds of a window: ``round 3``, or ``rounds 3 to 6``."""
    first, last = window.first, window.last
    return f"round {first}" if first == last else f"rounds {first} to {last}"


def detection_words(done: Performance) -> tuple[str, str, str]:
    """Say how often a check flagged the malicious client, and honest ones, and its ROC AUC."""
    caught = f"{done.caught} of {done.attacking}" if done.attacking else "nobody to catch"
    area = "–" if done.roc_auc is None else f"{done.roc_auc:.2f}"
    return caught, f"{done.false_alarms} of {done.honest}", area


def metric_words(name: str, value: float | None) -> str:
    """Say the number of what is measured besides accuracy: ``0.873``, or a dash where it is not defined."""
    if name in {"mae", "rmse"}:
        return error_words(value)
    return "–" if value is None else f"{value:.3f}"


def error_words(value: float | None) -> str:
    """Say an error in the labels' unit: ``12,345``, ``0.01234``, or a dash where it is not finite."""
    if value is None:
        return "–"
    words = f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"
    return words.replace("-", "−") if value < 0 else words


def measure_name(*, regression: bool) -> str:
    """Name the one number that tells how good a model is."""
    return "MAE" if regression else "accuracy"


def quality_words(quality: Quality) -> str:
    """Say that number: ``84.2 %``, or the mean absolute error."""
    return error_words(quality.mae) if quality.accuracy is None else percent(quality.accuracy)


def difference_words(quality: Quality, twin: Quality) -> str:
    """Say how many points of accuracy, or how much error, a model has more than its twin: ``+1.3``, ``−2.0``."""
    if quality.accuracy is not None:
        return signed(100 * (quality.accuracy - twin.share))
    if quality.mae is None or twin.mae is None:
        return "–"
    rise = quality.mae - twin.mae
    return f"{'+' if rise > 0 else ''}{error_words(rise)}"
