"""How conspicuous the malicious client is in a recorded round, by what the server's checks measure of updates.

A number is ``None`` where the client did not attack, or where no such check was made. Of checks there are the paper's
``statistics`` and ``distances``; a benign client's figure is the median over the round's other clients.
"""

from statistics import median

from fedlens.experiment.experiment import Experiment
from fedlens.runs.record_values import Record, acted, attacker_row

Ranges = tuple[list[float], list[float]]
"""The least and the greatest distance, of two kinds."""


def malicious_deviation(record: Record) -> float | None:
    """How far the malicious client's model is in accuracy from the global model after the round."""
    return abs(record["malicious"]["accuracy"] - record["quality"]["accuracy"]) if acted(record) else None


def distance_ranges(experiment: Experiment, record: Record) -> Ranges | None:
    """The least and the greatest L2 distance of its update from the others', and of these from each other."""
    check, row = record["checks"].get("distances"), attacker_row(experiment, record)
    if check is None or row is None or not (check["range"][row] and check["others"][row]):
        return None
    return check["range"][row], check["others"][row]


def distance_gap(experiment: Experiment, record: Record) -> float | None:
    """How far its update's L2 distances to the others' lie from these among each other; negative where they overlap."""
    if (ranges := distance_ranges(experiment, record)) is None:
        return None
    (least, greatest), (others_least, others_greatest) = ranges
    return float(max(least - others_greatest, others_least - greatest))


def statistic(experiment: Experiment, record: Record, name: str) -> tuple[float, float] | None:
    """A statistic of its update (``sparsity``, ``spread``, ``wasserstein``), and a benign client's."""
    numbers, row = record["checks"].get("statistics", {}).get(name), attacker_row(experiment, record)
    if numbers is None or row is None or len(numbers) < 2:
        return None
    return numbers[row], median([*numbers[:row], *numbers[row + 1 :]])
