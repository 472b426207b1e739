"""An attack without any effect: the global model is the benign twin's."""

from collections.abc import Sequence

from fedlens.runs.record import RoundRecord
from fedlens.runs.record_values import taken

INEFFECTIVE = "the attack has no effect"


def ineffective(inside: Sequence[RoundRecord]) -> str | None:
    """Flag an attack that acted in its window and left the global model as the benign twin's in each of its rounds.

    What is recorded of both must be equal to the last digit, mean cross-entropy and confidences included: models that
    differ do not give the same. So is nothing flagged where a rule prefers another client because of the attack, nor an
    attack that merely fails. Without a twin, of which there is a flag already, nothing can be compared.
    """
    if not any(record.attackers for record in inside) or any(_differs(record) for record in inside):
        return None
    rounds = "its round" if len(inside) == 1 else f"each of its {len(inside)} rounds"
    words = f"{INEFFECTIVE}: in {rounds} the global model answers exactly as the benign twin's does"
    return words if taken(inside) is not False else f"{words}, for the server took nothing of what the attack sent"


def _differs(record: RoundRecord) -> bool:
    twin = record.twin
    if twin is None or not record.answers:
        return True
    return (record.quality, record.target, record.backdoor) != (twin.quality, twin.target, twin.backdoor)
