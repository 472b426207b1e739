"""The record of a round."""

from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from fedlens.goals.success import Success
from fedlens.models.evaluation import Quality
from fedlens.runs.state import FederationState


@dataclass(frozen=True)
class RoundRecord:
    """A round in plain values, which are the same whenever the experiment is repeated.

    Attributes:
        round: its number, from 1.
        cohort: clients that took part.
        attacker: True if the malicious client was among them.
        shares: effective weight of each of the cohort's updates, 0 if rejected; ``None`` if the rule cannot tell.
        checks: verdicts of the server's checks, by name.
        rejected: clients whose updates did not reach the rule: a check rejected them, or they are `malformed`.
        skipped: why the global model did not change, if so.
        quality: the global model on the test set afterwards.
        target: the global model's answers to the target samples.
        malicious: the malicious client's own model, w_G^t + δ_m, on the test set.
        attack: the attack's own log.
        malformed: clients whose updates had entries that are not finite; no check saw them, so lists in `checks` are of
            the cohort's other clients.
        destroyed: True if the global model, or its answers, are no longer finite.
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
        """Return the record as a mapping, without `malformed` and `destroyed` if empty."""
        values = asdict(self)
        return {name: value for name, value in values.items() if value or name not in {"malformed", "destroyed"}}


@dataclass(frozen=True)
class RoundResult:
    """A round's record, the state after it, and values that need not be repeatable.

    Attributes:
        record: the record.
        state: the federation afterwards, with the global weights.
        log_probabilities: the global model's, on the test set, shape ``[samples, classes]``.
        seconds: wall time of each stage.
        tables: tables of checks, too large for the record, by ``check.table``.
    """

    record: RoundRecord
    state: FederationState
    log_probabilities: Tensor
    seconds: dict[str, float] = field(default_factory=dict)
    tables: dict[str, Tensor] = field(default_factory=dict)
