"""How conspicuous the malicious clients are in a recorded round, by what was measured of the updates.

A number is ``None`` where none attacked, or where it was not recorded. Of several attackers a figure is the median, and
distances between them count as theirs; a benign client's figure is the median over the round's other clients.
"""

from collections.abc import Sequence
from statistics import median

from fedlens.runs.record import ClientRecord, RoundRecord

Ranges = tuple[list[float], list[float]]
"""The least and the greatest distance, of two kinds."""


def malicious_deviation(record: RoundRecord) -> float | None:
    """Return how far the malicious clients' model is in accuracy from the global model after the round."""
    model = record.malicious_model
    return abs(model.accuracy - record.quality.accuracy) if record.attackers and model is not None else None


def distance_ranges(record: RoundRecord) -> Ranges | None:
    """Return the least and the greatest L2 distance of their updates from the others', and of these from each other.

    Each attacker's record has the range among all others, its team included. What all of these ranges have in common
    comes closest to that among benign updates.
    """
    ours, others = ranges(record.attackers, "range"), ranges(record.attackers, "others")
    if not ours or not others:
        return None
    return ([min(low for low, _ in ours), max(high for _, high in ours)], narrowest(others))


def ranges(clients: Sequence[ClientRecord], name: str) -> list[list[float]]:
    """Return this range of each client that has one, ``range`` or ``others``."""
    measured = [client.measure(name) for client in clients]
    return [pair for pair in measured if isinstance(pair, list) and pair]


def narrowest(parts: Sequence[list[float]]) -> list[float]:
    """Return the range that at least one range, of several that overlap, has in common with all others."""
    return [max(low for low, _ in parts), min(high for _, high in parts)]


def distance_gap(record: RoundRecord) -> float | None:
    """Return the gap between its update's distances and those among the others; negative if they overlap."""
    if (ranges := distance_ranges(record)) is None:
        return None
    (least, greatest), (others_least, others_greatest) = ranges
    return float(max(least - others_greatest, others_least - greatest))


def statistic(record: RoundRecord, name: str) -> tuple[float, float] | None:
    """Return a statistic of its update (``sparsity``, ``spread``, ``wasserstein``), and a benign client's."""
    values = [(client.attacked, client.measure(name)) for client in record.seen]
    numbers = [(attacked, value) for attacked, value in values if isinstance(value, int | float)]
    ours = [value for attacked, value in numbers if attacked]
    others = [value for attacked, value in numbers if not attacked]
    return (median(ours), median(others)) if ours and others and len(numbers) == len(values) else None
