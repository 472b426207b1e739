"""How conspicuous the malicious client is in a recorded round, by what was measured of the updates.

A number is ``None`` where the client did not attack, or where it was not recorded; a benign client's figure is the
median over the round's other clients.
"""

from statistics import median

from fedlens.runs.record import RoundRecord

Ranges = tuple[list[float], list[float]]
"""The least and the greatest distance, of two kinds."""


def malicious_deviation(record: RoundRecord) -> float | None:
    """Return how far the malicious client's model is in accuracy from the global model after the round."""
    attacker = record.attacker
    if attacker is None or attacker.model is None:
        return None
    return abs(attacker.model.accuracy - record.quality.accuracy)


def distance_ranges(record: RoundRecord) -> Ranges | None:
    """Return the least and the greatest L2 distance of its update from the others', and of these from each other."""
    if record.attacker is None:
        return None
    ours, others = record.attacker.measure("range"), record.attacker.measure("others")
    return (ours, others) if isinstance(ours, list) and isinstance(others, list) and ours and others else None


def distance_gap(record: RoundRecord) -> float | None:
    """Return the gap between its update's distances and those among the others; negative if they overlap."""
    if (ranges := distance_ranges(record)) is None:
        return None
    (least, greatest), (others_least, others_greatest) = ranges
    return float(max(least - others_greatest, others_least - greatest))


def statistic(record: RoundRecord, name: str) -> tuple[float, float] | None:
    """Return a statistic of its update (``sparsity``, ``spread``, ``wasserstein``), and a benign client's."""
    attacker = record.attacker
    values = {client.client: client.measure(name) for client in record.seen}
    numbers = {client: value for client, value in values.items() if isinstance(value, int | float)}
    if attacker is None or attacker.client not in numbers or len(numbers) < max(2, len(values)):
        return None
    return numbers.pop(attacker.client), median(numbers.values())
