"""How conspicuous the malicious clients are in a recorded round, by what was measured of the updates.

A number is ``None`` where none attacked, or where it was not recorded. Of several attackers a figure is the median; a
benign client's figure is the median over the round's other clients. Distances of several attackers are those from
benign updates, and not known of runs that recorded only ranges of all updates.
"""

from collections.abc import Sequence
from statistics import median

from fedlens.experiment.measures import AMONG_BENIGN, TO_BENIGN
from fedlens.runs.record import ClientRecord, RoundRecord

Ranges = tuple[list[float], list[float]]
"""The least and the greatest distance, of two kinds."""


def malicious_deviation(record: RoundRecord) -> float | None:
    """Return how far the malicious clients' model is in accuracy from the global model after the round."""
    model = record.malicious_model
    if not record.attackers or model is None or model.accuracy is None:
        return None
    return abs(model.accuracy - record.quality.share)


def distance_ranges(record: RoundRecord) -> Ranges | None:
    """Return the least and the greatest L2 distance of their updates from benign ones, and of these from each other."""
    ours, benign = malicious_range(record), benign_range(record)
    return None if ours is None or benign is None else (ours, benign)


def malicious_range(record: RoundRecord) -> list[float] | None:
    """Return the least and the greatest distance of malicious updates from benign ones; ``None`` if not known."""
    return spanned(ranges(among := compared(record), "range" if len(among) == 1 else TO_BENIGN))


def benign_range(record: RoundRecord) -> list[float] | None:
    """Return the least and the greatest distance among benign updates of a round with an attack."""
    return spanned(ranges(among := compared(record), "others" if len(among) == 1 else AMONG_BENIGN))


def compared(record: RoundRecord) -> list[ClientRecord]:
    """Return the attackers of whose updates distances were measured."""
    return [client for client in record.attackers if client.measure("range") is not None]


def are_unknown(record: RoundRecord) -> bool:
    """Tell whether the ranges recorded are of all updates, so that several attackers' are not known apart."""
    among = compared(record)
    return len(among) > 1 and any(client.measure(TO_BENIGN) is None for client in among)


def ranges(clients: Sequence[ClientRecord], name: str) -> list[list[float]]:
    """Return this range, such as ``range`` or ``others``, of each client that has one."""
    measured = [client.measure(name) for client in clients]
    return [pair for pair in measured if isinstance(pair, list) and pair]


def spanned(parts: Sequence[list[float]]) -> list[float] | None:
    """Return the range that spans all `parts`."""
    return [min(low for low, _ in parts), max(high for _, high in parts)] if parts else None


def distance_gap(record: RoundRecord) -> float | None:
    """Return the gap between their distances from benign updates and those among these; negative if they overlap."""
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
