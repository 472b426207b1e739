"""How well a detector did over a run, or over several.

A client is guilty in a round in which its attack acted, and innocent in every other. Clean rounds therefore count: all
their clients are innocent, and whoever is flagged in them is a false alarm.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Performance:
    """Decisions counted over clients and rounds; a ratio is ``None`` where it is not defined.

    Attributes:
        guilty: how often a client was guilty.
        innocent: how often a client was innocent.
        caught: how often a guilty client was flagged.
        false_alarms: how often an innocent client was flagged.
        precision: share of the flagged that were guilty; ``None`` without guilty clients or without flags.
        recall: share of the guilty that were flagged; ``None`` without guilty clients.
        false_positive_rate: share of the innocent that were flagged; ``None`` without innocent clients.
        roc_auc: probability that a guilty client has a higher score than an innocent one, an equal score counting
            half; ``None`` unless there are both.
    """

    guilty: int
    innocent: int
    caught: int
    false_alarms: int
    precision: float | None
    recall: float | None
    false_positive_rate: float | None
    roc_auc: float | None


def performance(rounds: Iterable[tuple[Sequence[float], Sequence[bool], Sequence[bool]]]) -> Performance:
    """Sum up a detector's rounds.

    Args:
        rounds: scores, whether flagged and whether guilty, of each client in each round.

    Raises:
        ValueError: a round's lists are not of the same length.
    """
    clients = [client for round_ in rounds for client in zip(*round_, strict=True)]
    scores, truth = [score for score, _, _ in clients], [attacked for _, _, attacked in clients]
    caught = sum(flagged and attacked for _, flagged, attacked in clients)
    false_alarms = sum(flagged and not attacked for _, flagged, attacked in clients)
    attacks = sum(truth)
    innocent = len(truth) - attacks
    return Performance(
        guilty=attacks,
        innocent=innocent,
        caught=caught,
        false_alarms=false_alarms,
        precision=_ratio(caught, caught + false_alarms) if attacks else None,
        recall=_ratio(caught, attacks),
        false_positive_rate=_ratio(false_alarms, innocent),
        roc_auc=_area(truth, scores) if attacks and innocent else None,
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _area(truth: list[bool], scores: list[float]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, scores))
