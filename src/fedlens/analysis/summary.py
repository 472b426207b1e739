"""A run in a few numbers."""

from collections.abc import Sequence
from itertools import dropwhile

from fedlens.analysis.defence import defence, performances
from fedlens.analysis.flags import flags
from fedlens.analysis.goal_summary import backdoor_summary, goal_summary
from fedlens.analysis.window import attack_window, lifespan, split, strengths
from fedlens.experiment.experiment import Experiment
from fedlens.goals.success import Success
from fedlens.runs.record import ControlRecord, RoundRecord
from fedlens.runs.record_values import counts, destroyed, mean
from fedlens.runs.run_summary import (
    ClassLoss,
    Confidences,
    ControlSummary,
    FirstAndLast,
    Lifespan,
    Malformed,
    Participation,
    Summary,
    TargetSummary,
)


def summarise(
    experiment: Experiment, records: Sequence[RoundRecord], paper_stop: float | None, classes: Sequence[str]
) -> Summary:
    """Sum up at least one round.

    Args:
        experiment: what was run.
        records: of all rounds.
        paper_stop: accuracy at which the paper stops training on this data set, if it does.
        classes: names of all classes.
    """
    last = records[-1]
    best = max(records, key=lambda record: record.quality.score)
    window = attack_window(experiment, records)
    inside, after = split(records, window)
    models = [record.malicious_model for record in inside if record.attackers]
    malicious = [model.accuracy for model in models if model is not None and model.accuracy is not None]
    target = _target(_targets(inside), _targets(after), counted=counts(experiment, inside))
    return Summary(
        rounds=len(records),
        accuracy=last.quality.accuracy,
        best_accuracy=best.quality.accuracy,
        best_round=best.round,
        hardest_hit=_hardest_hit(last, classes),
        paper_stop=paper_stop,
        would_stop_at=_first_reaching(paper_stop, [record.quality.accuracy for record in records]),
        window=window,
        window_accuracy=inside[-1].quality.accuracy,
        target=target,
        lifespan=_lifespan(inside, after),
        malicious_accuracy=FirstAndLast(malicious[0], malicious[-1]) if malicious else None,
        participation=_participation(inside),
        defence=defence(inside),
        checks=performances(experiment, records),
        twin=_control("control", inside, after, records, paper_stop),
        placebo=_control("placebo", inside, after, records, paper_stop),
        flags=flags(experiment, records),
        malformed=_malformed(records),
        destroyed=destroyed(records),
        goal=goal_summary(experiment, inside, after),
        metrics=last.quality.metrics,
    )


def _control(
    name: str,
    inside: Sequence[RoundRecord],
    after: Sequence[RoundRecord],
    records: Sequence[RoundRecord],
    paper_stop: float | None,
) -> ControlSummary | None:
    """Sum up a control over the rounds of the run and of the attack's window, where it was run in all of them."""
    judged, later, every = ([record.controls.get(name) for record in part] for part in (inside, after, records))
    accuracies = [side.quality.accuracy for side in every if side is not None]
    if len(accuracies) < len(records):
        return None
    last, end = judged[-1], every[-1]
    assert last is not None
    assert end is not None
    return ControlSummary(
        accuracy=accuracies[-1],
        would_stop_at=_first_reaching(paper_stop, accuracies),
        window_accuracy=last.quality.accuracy,
        target=_target(_targets(judged), _targets(later)),
        lifespan=_lifespan(judged, later),
        backdoor=backdoor_summary(judged, later),
        metrics=end.quality.metrics,
    )


def _targets(sides: Sequence[RoundRecord | ControlRecord | None]) -> list[Success]:
    return [side.target for side in sides if side is not None and side.target is not None]


def _lifespan(
    inside: Sequence[RoundRecord | ControlRecord | None], after: Sequence[RoundRecord | ControlRecord | None]
) -> Lifespan | None:
    """Return how long what the attacker achieved in its window lived on, if it is something that can fade."""
    during, later = strengths(inside), strengths(after)
    return lifespan(during, later) if during else None


def _hardest_hit(last: RoundRecord, classes: Sequence[str]) -> ClassLoss | None:
    """Find the class that lost most accuracy against the twin after the last round, if one did."""
    if last.twin is None:
        return None
    pairs = zip(classes, last.quality.per_class, last.twin.quality.per_class, strict=True)
    differences = {name: 100 * (ours - twin) for name, ours, twin in pairs if ours is not None and twin is not None}
    if not differences:
        return None
    name = min(differences, key=differences.__getitem__)
    return ClassLoss(name, differences[name]) if differences[name] < 0 else None


def _malformed(records: Sequence[RoundRecord]) -> Malformed | None:
    """Sum up the updates that were not finite, if there were any."""
    sent = [record.malformed for record in records if record.malformed]
    clients = sorted({client for of_round in sent for client in of_round})
    return Malformed(updates=sum(map(len, sent)), rounds=len(sent), clients=clients) if sent else None


def _participation(records: Sequence[RoundRecord]) -> Participation | None:
    """Return the mean confidence, or success rate, after rounds with a malicious client, and later ones without.

    Rounds before one was first chosen can have no backdoor, so that they say nothing of how it fades.
    """
    since = list(dropwhile(lambda record: not record.malicious_clients, records))
    present = strengths([record for record in since if record.malicious_clients])
    absent = strengths([record for record in since if not record.malicious_clients])
    return Participation(mean(present), mean(absent)) if present and absent else None


def _first_reaching(threshold: float | None, accuracies: Sequence[float | None]) -> int | None:
    """Return the first round whose accuracy reaches the threshold."""
    if threshold is None:
        return None
    return next((round_ for round_, share in enumerate(accuracies, 1) if share and share >= threshold), None)


def _target(
    inside: Sequence[Success], after: Sequence[Success], *, counted: bool | None = None
) -> TargetSummary | None:
    """Sum up a model's answers to the target samples in the attack's window and after it; nothing if there are none."""
    if not inside:
        return None
    confidences = [target.mean_confidence for target in inside]
    return TargetSummary(
        confidence=Confidences(last=confidences[-1], best=max(confidences), mean=mean(confidences)),
        true_confidence=inside[-1].mean_true_confidence,
        predicted=inside[-1].predicted,
        success=inside[-1].success,
        successful_rounds=sum(target.success for target in inside),
        final_confidence=[*inside, *after][-1].mean_confidence,
        counts=counted,
    )
