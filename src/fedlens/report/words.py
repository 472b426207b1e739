"""A run in words: its head line, its verdict, the names of its parts."""

from typing import Any

from fedlens.experiment import Experiment
from fedlens.parts import name_of
from fedlens.runs.load import Run
from fedlens.runs.summary import confidence


def percent(share: float) -> str:
    """A fraction as a percentage with one decimal."""
    return f"{100 * share:.1f} %"


def attack_name(experiment: Experiment) -> str:
    """The attack's name, as YAML has it."""
    return "none" if experiment.attack is None else name_of("attack", experiment.attack)


def headline(experiment: Experiment) -> str:
    """What was run, in one line."""
    local = experiment.local
    work = f"E={local.epochs:g}" if local.epochs is not None else f"{local.steps} steps"
    parts = {kind: name_of(kind, getattr(experiment, kind)) for kind in ("data", "model", "aggregation", "partition")}
    return (
        f"{parts['data']} ({parts['partition']}), model {parts['model']}, K={experiment.clients}, "
        f"{experiment.cohort_size} a round, T={experiment.rounds}, {work}, B={local.batch_size}, "
        f"{local.optimizer} {local.learning_rate:g}, rule {parts['aggregation']}, seed {experiment.seed}"
    )


def target_words(run: Run) -> str:
    """The attacker's samples: ``test sample 7, ankle boot, as sneaker``, or how many there are."""
    index, classes = run.target["index"], run.target["classes"]
    if len(index) > 1:
        return f"{len(index)} test samples"
    true, target = classes[run.target["true"][0]], classes[run.target["target"][0]]
    return f"test sample {index[0]}, which is {true}, as {target}"


def verdict(run: Run) -> str:
    """What the attack achieved, in plain words; empty for a run without attack."""
    if run.experiment.attack is None:
        return ""
    last = run.records[-1]
    if getattr(run.experiment.attack, "objective", "targeted") == "untargeted":
        return f"Untargeted attack: {_accuracy_words(last)}, mean cross-entropy {last['quality']['loss']:.2f} nats."
    target = last["target"]
    since = _since(run.records)
    if len(run.target["index"]) == 1:
        seen_as = run.target["classes"][target["predicted"][0]]
        result = f"the target ({target_words(run)}) is classified as {seen_as}"
    else:
        result = f"{target['met']} of {len(run.target['index'])} targets are met"
    when = f" from round {since} on" if since else f" after round {last['round']}"
    words = f"{result}{when}, confidence in the target class {confidence(target):.2f}; {_accuracy_words(last)}"
    return f"{'Success' if target['success'] else 'No success'}: {words}."


def _accuracy_words(record: dict[str, Any]) -> str:
    """The global model's accuracy after a round, beside the benign twin's if there is one."""
    words = f"test accuracy {percent(record['quality']['accuracy'])}"
    if record["control"]:
        points = 100 * (record["quality"]["accuracy"] - record["control"]["quality"]["accuracy"])
        words += f", {abs(points):.1f} points {'below' if points < 0 else 'above'} the benign twin"
    return words


def _since(records: list[dict[str, Any]]) -> int | None:
    """The round from which the target has been met to the end, if it is met at the end."""
    since = None
    for record in reversed(records):
        if not record["target"]["success"]:
            break
        since = record["round"]
    return since
