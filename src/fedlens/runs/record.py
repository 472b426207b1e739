"""What is kept of a round."""

from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from fedlens.goals.success import Success
from fedlens.models.evaluation import Quality
from fedlens.runs.state import FederationState


@dataclass(frozen=True)
class RoundRecord:
    """What a round did, in plain values that are the same whenever the experiment is repeated.

    Attributes:
        round: its number, from 1.
        cohort: clients that took part.
        attacker: whether the malicious client was among them.
        shares: weight that each of the cohort's updates got, where the rule can tell; 0 for a rejected one.
        checks: what each of the server's checks made of the cohort, by its name.
        rejected: clients whose updates did not reach the rule, be it by a check or because they are `malformed`.
        skipped: why the global model stayed as it was, if it did.
        quality: the global model on the test set afterwards.
        target: what the global model makes of the attacker's samples.
        malicious: the malicious client's own model, w_G^t + δ_m, on the test set.
        attack: what the attack said of itself.
        malformed: clients whose updates had entries that are no finite numbers; no check saw them, so that lists in
            `checks` are of the cohort's other clients.
        destroyed: whether the global model is not finite any more, or its answers are not.
    """

    round: int
    cohort: list[int]
    attacker: bool
    shares: list[float] | None
    checks: dict[str, dict[str, Any]]
    rejected: list[int]
    skipped: str | None
    quality: Quality
    target: Success | None
    malicious: Quality | None
    attack: dict[str, Any] | None
    malformed: list[int] = field(default_factory=list)
    destroyed: bool = False

    def plain(self) -> dict[str, Any]:
        """The record as a mapping; what hardly ever happens is left out where it did not."""
        values = asdict(self)
        return {name: value for name, value in values.items() if value or name not in {"malformed", "destroyed"}}


@dataclass(frozen=True)
class RoundResult:
    """A round's record, the state after it, and what need not be repeatable.

    Attributes:
        record: what happened.
        state: the federation afterwards, with the global weights.
        log_probabilities: of the global model on the test set, shape ``[samples, classes]``.
        seconds: wall time of each stage.
        tables: what checks tell that is too large for the record, by ``check.table``.
    """

    record: RoundRecord
    state: FederationState
    log_probabilities: Tensor
    seconds: dict[str, float] = field(default_factory=dict)
    tables: dict[str, Tensor] = field(default_factory=dict)
