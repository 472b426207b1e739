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
    accuracies = [result["accuracy"] for result in engine.run(jobs, lambda _: None)]
    own, others = torch.tensor(accuracies, dtype=torch.float64).view(2, -1)
    return Validation(own, others)


def _verdict(name: str, detector: Detector, seen: Inspection) -> Verdict:
    versions = [seen.updates._version, seen.weights._version]
    try:
        verdict = detector.inspect(seen)
    except Exception as error:
        raise ClientError(f"check {name} failed in round {seen.round}: {type(error).__name__}: {error}") from error
    if versions != [seen.updates._version, seen.weights._version]:
        raise ClientError(f"check {name} changed the updates or the weights in round {seen.round}; let it copy them")
    if not _sound(verdict, len(seen.updates)):
        raise ClientError(
            f"check {name} gave no finite score, decision and details for each of {len(seen.updates)} clients "
            f"in round {seen.round}"
        )
    return verdict


def _sound(verdict: object, count: int) -> bool:
    """Whether a verdict, perhaps of a stranger's check, is what it should be."""
    if not isinstance(verdict, Verdict):
        return False
    tensors = (verdict.scores, verdict.flagged, *verdict.tables.values())
    if not all(isinstance(tensor, Tensor) and tensor.shape[:1] == (count,) for tensor in tensors):
        return False
    details = verdict.details.values()
    return (
        verdict.scores.shape == verdict.flagged.shape == (count,)
        and verdict.flagged.dtype == torch.bool
        and bool(torch.isfinite(verdict.scores).all())
        and all(isinstance(detail, list) and len(detail) == count for detail in details)
        and not {"scores", "flagged"} & verdict.details.keys()
        and all(isinstance(number, int | float) for detail in details for entry in detail for number in _numbers(entry))
    )


def _numbers(entry: object) -> list[object]:
    """The numbers of a detail's entry, which is one or a list of some."""
    return entry if isinstance(entry, list) else [entry]
