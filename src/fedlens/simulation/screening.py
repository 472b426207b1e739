"""The server's checks of a round: whom they suspect, and whose update does not reach the rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fedlens.defences.detector import Detector, Validation, Verdict
from fedlens.simulation.engines import Engine
from fedlens.simulation.engines.context import Job
from fedlens.simulation.engines.inspection import InspectionJob, ValidationJob


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


def screen(detectors: Mapping[str, Detector], round_: int, alpha: tuple[float, ...], engine: Engine) -> Screening:
    """Let every detector inspect the updates, those that need it with accuracies on the validation set.

    Args:
        detectors: the checks by their names.
        round_: number of the round.
        alpha: the weights α_i of the updates that were received; of none, nobody is suspected.
        engine: its workers validate and inspect what is in the shared tensors.

    Raises:
        ClientError: a detector failed, or gave no verdict on every client.
    """
    if not alpha:
        return Screening([], {name: {"scores": [], "flagged": []} for name in detectors}, {})
    verdicts = inspect(detectors, round_, alpha, engine)
    kept = set(range(len(alpha)))
    checks: dict[str, dict[str, Any]] = {}
    tables: dict[str, Tensor] = {}
    for name, detector in detectors.items():
        verdict = verdicts[name]
        flagged = verdict.flagged.tolist()
        if detector.action == "reject":
            kept -= {row for row, suspect in enumerate(flagged) if suspect}
        checks[name] = {"scores": verdict.scores.tolist(), "flagged": flagged, **verdict.details}
        tables |= {f"{name}.{table}": content for table, content in verdict.tables.items()}
    return Screening(sorted(kept), checks, tables)


def inspect(
    detectors: Mapping[str, Detector], round_: int, alpha: tuple[float, ...], engine: Engine
) -> dict[str, Verdict]:
    """The verdicts by the checks' names; while models are validated, the checks that do not need that are at work."""
    waiting = [name for name, detector in detectors.items() if detector.validates]
    ready = [InspectionJob(round_, name, alpha) for name in detectors if name not in waiting]
    models = [ValidationJob(round_, row, alpha, others) for others in (False, True) for row in range(len(alpha))]
    jobs: list[Job] = [*ready, *(models if waiting else [])]
    results = engine.run(jobs, lambda _: None)
    if waiting:
        accuracies = torch.tensor([result["accuracy"] for result in results[len(ready) :]], dtype=torch.float64)
        validation = Validation(*accuracies.view(2, -1).unbind())
        late = [InspectionJob(round_, name, alpha, validation) for name in waiting]
        results = results[: len(ready)] + engine.run(late, lambda _: None)
    return {result["check"]: result["verdict"] for result in results}
