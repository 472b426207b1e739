"""How well a detector did over a run, or over several.

A client counts as attacking in a round in which its attack acted, and as honest in every other. Clean rounds therefore
count: all their clients are honest, and whoever is flagged in them is a false alarm.
"""

from collections.abc import Iterable, Sequence

from fedlens.runs.run_summary import Performance


def performance(rounds: Iterable[tuple[Sequence[float], Sequence[bool], Sequence[bool]]]) -> Performance:
    """Sum up a detector's rounds.

    Args:
        rounds: scores, whether flagged and whether attacking, of each client in each round.

    Raises:
        ValueError: a round's lists are not of the same length.
    """
    clients = [client for round_ in rounds for client in zip(*round_, strict=True)]
    scores, truth = [score for score, _, _ in clients], [attacked for _, _, attacked in clients]
    caught = sum(flagged and attacked for _, flagged, attacked in clients)
    false_alarms = sum(flagged and not attacked for _, flagged, attacked in clients)
    attacks = sum(truth)
    honest = len(truth) - attacks
    return Performance(
        attacking=attacks,
        honest=honest,
        caught=caught,
        false_alarms=false_alarms,
        precision=_ratio(caught, caught + false_alarms) if attacks else None,
        recall=_ratio(caught, attacks),
        false_positive_rate=_ratio(false_alarms, honest),
        roc_auc=_area(truth, scores) if attacks and honest else None,
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _area(truth: list[bool], scores: list[float]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, scores))
