"""Consistency of the distances that several attackers have recorded apart: from benign updates, and among these.

Both are ranges of the distances of every two updates, as are ``range`` and ``others``, so that they lie within these.
"""

from fedlens.experiment.measures import AMONG_BENIGN, TO_BENIGN
from fedlens.runs.record import ClientRecord, RoundRecord

APART = (TO_BENIGN, AMONG_BENIGN)
ROUNDING = 1e-6
"""How far, relative to it, a distance may lie outside a range that has it, which was computed apart."""


def apart_fault(record: RoundRecord) -> str | None:
    """Describe what is wrong with these distances in a round whose distances are recorded; ``None`` if nothing is.

    Runs from before they were recorded have none at all.
    """
    attackers = [client for client in record.seen if client.attacked]
    having = [client for client in record.clients if any(client.measure(name) is not None for name in APART)]
    if not having:
        return None
    if len(attackers) < 2:
        return f"client {having[0].client}: measured.{TO_BENIGN}: of a round with fewer than two attackers"
    for client in having:
        if client not in attackers:
            return f"client {client.client}: measured.{TO_BENIGN}: of a client that did not attack"
    benign, among = len(record.seen) - len(attackers), attackers[0].measure(AMONG_BENIGN)
    for client in attackers:
        for name, pairs in ((TO_BENIGN, benign), (AMONG_BENIGN, benign - 1)):
            if (fault := _range_fault(client, name, pairs)) is not None:
                return f"client {client.client}: measured.{name}: {fault}"
        if client.measure(AMONG_BENIGN) != among:
            return f"client {client.client}: measured.{AMONG_BENIGN}: not that of client {attackers[0].client}"
    return None


def _range_fault(client: ClientRecord, name: str, pairs: int) -> str | None:
    """Describe what is wrong with a range of the distances of some pairs; empty if there are none, or infinite ones."""
    if (value := client.measure(name)) is None:
        return "missing"
    if not isinstance(value, list) or len(value) not in {0, 2}:
        return "a range has two ends"
    if value and pairs < 1:
        return "a range, though there are no benign updates to compare"
    return _ends_fault(client, name, *value) if value else None


def _ends_fault(client: ClientRecord, name: str, low: float, high: float) -> str | None:
    if low < 0:
        return f"{low:g}, which cannot be negative"
    if low > high:
        return f"from {low:g} down to {high:g}"
    whole = client.measure("range" if name == TO_BENIGN else "others")
    if isinstance(whole, list) and len(whole) == 2 and not _within([low, high], whole):
        return f"{low:g} to {high:g}, outside {whole[0]:g} to {whole[1]:g}, of which it is a part"
    return None


def _within(part: list[float], whole: list[float]) -> bool:
    slack = ROUNDING * whole[1]
    return whole[0] - slack <= part[0] and part[1] <= whole[1] + slack
