"""A run in a few numbers."""

from collections.abc import Sequence
from itertools import dropwhile

from fedlens.analysis.defence import defence, performances
from fedlens.analysis.flags import flags
from fedlens.analysis.window import attack_window, lifespan, split
from fedlens.experiment.experiment import Experiment
from fedlens.runs.record_values import Record, acted, beside, confidence, counts, destroyed, malformed, mean


def summarise(
    experiment: Experiment, records: list[Record], paper_stop: float | None, classes: Sequence[str]
) -> Record:
    """The result of at least one round; `classes` are the names of all classes.

    Returns:
        ``rounds`` played; ``accuracy`` of the last model, ``best_accuracy`` and its round; ``hardest_hit``, the
        ``class`` whose accuracy is farthest below the twin's after the last round, and by how many ``points``;
        ``would_stop_at``, the round at which the paper's stopping rule would have ended.

        ``window``, the rounds that the attack is judged by (`fedlens.analysis.window.attack_window`), and over these:
        ``window_accuracy`` after the last one; for the target ``confidence`` (last, best, mean), ``true_confidence``,
        ``predicted`` and ``success`` in the last one, ``counts``, whether this is a success of the attack's own
        (`fedlens.runs.record_values.counts`), ``successful_rounds``, and beside them ``final_confidence``, that after
        the run's last round; ``malicious_accuracy``, the malicious model's in the first and the last one in which it
        attacked; ``participation``, the mean confidence with the malicious client, and since then without it;
        and ``defence``, what became of its updates. ``lifespan`` is what becomes of the backdoor after the window
        (`fedlens.analysis.window.lifespan`).

        ``checks``, how well each of them did (`fedlens.analysis.detection.Performance`); the twin's figures, over
        the same rounds, under ``control``, and those of the federation without the malicious client under ``placebo``;
        and ``flags``, the reasons for doubt.

        Where it happened: ``malformed``, how many ``updates`` were rejected for entries that are no finite numbers, in
        how many ``rounds``, of which ``clients``; ``destroyed``, the round after which the model was not finite.
    """
    last = records[-1]
    accuracies = [record["quality"]["accuracy"] for record in records]
    window = attack_window(experiment, records)
    inside, after = split(records, window)
    malicious = [record["malicious"]["accuracy"] for record in inside if record["malicious"] and acted(record)]
    summary: Record = {
        "rounds": len(records),
        "accuracy": accuracies[-1],
        "best_accuracy": max(accuracies),
        "best_round": records[accuracies.index(max(accuracies))]["round"],
        "hardest_hit": _hardest_hit(last, classes),
        "paper_stop": paper_stop,
        "would_stop_at": _first_reaching(paper_stop, accuracies),
        "window": window,
        "window_accuracy": inside[-1]["quality"]["accuracy"],
        **(_backdoor(inside, after) if last["target"] else {"target": None, "lifespan": None}),
        "malicious_accuracy": {"first": malicious[0], "last": malicious[-1]} if malicious else None,
        "participation": _participation(inside) if last["target"] else None,
        "defence": defence(experiment, inside),
        "checks": performances(experiment, records),
        **{name: _control(name, records, inside, after, paper_stop) for name in ("control", "placebo")},
        "flags": flags(experiment, records),
        **_accidents(records),
    }
    if last["target"]:
        summary["target"]["counts"] = counts(experiment, inside)
    return summary


def _control(
    name: str, records: list[Record], inside: list[Record], after: list[Record], paper_stop: float | None
) -> Record | None:
    """The figures of a control, over the rounds of the run and of the attack's window, where it was run."""
    every, judged, later = ([beside(record, name) for record in part] for part in (records, inside, after))
    if not all(every):
        return None
    accuracies = [round_["quality"]["accuracy"] for round_ in every]
    return {
        "accuracy": accuracies[-1],
        "would_stop_at": _first_reaching(paper_stop, accuracies),
        "window_accuracy": judged[-1]["quality"]["accuracy"],
        **_backdoor(judged, later),
    }


def _hardest_hit(last: Record, classes: Sequence[str]) -> Record | None:
    """The class that lost most accuracy against the twin, if one did, and the difference in percentage points."""
    if not last["control"]:
        return None
    pairs = zip(classes, last["quality"]["per_class"], last["control"]["quality"]["per_class"], strict=True)
    differences = {name: 100 * (ours - twin) for name, ours, twin in pairs if ours is not None}
    name = min(differences, key=differences.__getitem__)
    return {"class": name, "points": differences[name]} if differences[name] < 0 else None


def _accidents(records: list[Record]) -> Record:
    """What became of updates and of a model that are not finite, where there were any."""
    sent = [clients for record in records if (clients := malformed(record))]
    every = sorted({client for clients in sent for client in clients})
    accidents: Record = {}
    if sent:
        accidents["malformed"] = {"updates": sum(map(len, sent)), "rounds": len(sent), "clients": every}
    if (round_ := destroyed(records)) is not None:
        accidents["destroyed"] = round_
    return accidents


def _participation(records: list[Record]) -> Record | None:
    """The mean confidence in the target class after rounds with the malicious client, and later ones without.

    Rounds before it was first chosen can have no backdoor, so that they say nothing of how it fades.
    """
    sides: dict[str, list[float]] = {"with": [], "without": []}
    for record in dropwhile(lambda record: not record["attacker"], records):
        sides["with" if record["attacker"] else "without"].append(confidence(record["target"]))
    return {side: mean(values) for side, values in sides.items()} if all(sides.values()) else None


def _first_reaching(threshold: float | None, accuracies: list[float]) -> int | None:
    """The first round whose accuracy reaches the threshold."""
    if threshold is None:
        return None
    return next((round_ for round_, accuracy in enumerate(accuracies, 1) if accuracy >= threshold), None)


def _backdoor(inside: list[Record], after: list[Record]) -> Record:
    """``target`` and ``lifespan`` of the run's rounds, or of a control's, in the attack's window and after it."""
    targets, later = ([part["target"] for part in parts] for parts in (inside, after))
    confidences = [confidence(target) for target in targets]
    target = {
        "confidence": {"last": confidences[-1], "best": max(confidences), "mean": mean(confidences)},
        "true_confidence": confidence(targets[-1], "true_confidence"),
        "predicted": targets[-1]["predicted"],
        "success": targets[-1]["success"],
        "successful_rounds": sum(target["success"] for target in targets),
        "final_confidence": confidence([*targets, *later][-1]),
    }
    return {"target": target, "lifespan": lifespan(targets, later)}
