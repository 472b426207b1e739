"""The server's checks of a round: whom they suspect, and whose update does not reach the rule."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fedlens.detection.detector import Detector, Inspection, Validation, Verdict
from fedlens.errors import ClientError
from fedlens.federation.engines import Engine
from fedlens.federation.jobs import ValidationJob


@dataclass(frozen=True)
class Screening:
    """What the checks made of a round.

    Attributes:
        kept: rows of the updates that reach the rule.
        checks: for the record, by the checks' names: scores, decisions, details.
        tables: tensors that are too large for the record, by ``check.table``.
    """

    kept: list[int]
    checks: dict[str, dict[str, Any]]
    tables: dict[str, Tensor]


def screen(detectors: Mapping[str, Detector], seen: Inspection, engine: Engine) -> Screening:
    """Let every detector inspect the updates, those that need it with accuracies on the validation set.

    Raises:
        ClientError: a detector failed, or gave no verdict on every client.
    """
    if any(detector.validates for detector in detectors.values()):
        seen = replace(seen, validation=validate(seen, engine))
    kept = set(range(len(seen.updates)))
    checks: dict[str, dict[str, Any]] = {}
    tables: dict[str, Tensor] = {}
    for name, detector in detectors.items():
        verdict = _verdict(name, detector, seen)
        flagged = verdict.flagged.tolist()
        if detector.action == "reject":
            kept -= {row for row, suspect in enumerate(flagged) if suspect}
        checks[name] = {"scores": verdict.scores.tolist(), "flagged": flagged, **verdict.details}
        tables |= {f"{name}.{table}": content for table, content in verdict.tables.items()}
    return Screening(sorted(kept), checks, tables)


def validate(seen: Inspection, engine: Engine) -> Validation:
    """Each client's own model and the model of all the others, on the validation set."""
    alpha = tuple(seen.alpha.tolist())
    jobs = [ValidationJob(seen.round, row, alpha, others) for others in (False, True) for row in range(len(alpha))]
    accuracies = [result["accuracy"] for result in engine.run(jobs, done=lambda: None)]
    own, others = torch.tensor(accuracies, dtype=torch.float64).view(2, -1)
    return Validation(own, others)


def _verdict(name: str, detector: Detector, seen: Inspection) -> Verdict:
    try:
        verdict = detector.inspect(seen)
    except Exception as error:
        raise ClientError(f"check {name} failed in round {seen.round}: {type(error).__name__}: {error}") from error
    count = len(seen.updates)
    lengths = [len(part) for part in (verdict.scores, verdict.flagged, *verdict.details.values())]
    if set(lengths) != {count} or not bool(torch.isfinite(verdict.scores).all()):
        raise ClientError(
            f"check {name} gave no finite score, decision and details for each of {count} clients in round {seen.round}"
        )
    return verdict
