"""How conspicuous the malicious client is in a recorded round, by what the server's checks measure of updates.

A number is ``None`` where the client did not attack, or where no such check was made. Of checks there are the paper's
``statistics`` and ``distances``; a benign client's figure is the median over the round's other clients.
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
    check = record.attacker and record.attacker.checks.get("distances")
    if not check:
        return None
    ours, others = check.details["range"], check.details["others"]
    assert isinstance(ours, list)
    assert isinstance(others, list)
    return (ours, others) if ours and others else None


def distance_gap(record: RoundRecord) -> float | None:
    """Return the gap between its update's distances and those among the others; negative if they overlap."""
    if (ranges := distance_ranges(record)) is None:
        return None
    (least, greatest), (others_least, others_greatest) = ranges
    return float(max(least - others_greatest, others_least - greatest))


def statistic(record: RoundRecord, name: str) -> tuple[float, float] | None:
    """Return a statistic of its update (``sparsity``, ``spread``, ``wasserstein``), and a benign client's."""
    attacker = record.attacker
    checks = {client.client: check for client in record.seen if (check := client.checks.get("statistics"))}
    if attacker is None or attacker.client not in checks or len(checks) < 2:
        return None
    values = {client: check.details.get(name) for client, check in checks.items()}
    numbers = {client: value for client, value in values.items() if isinstance(value, int | float)}
    if len(numbers) < len(values):
        return None
    return numbers.pop(attacker.client), median(numbers.values())
