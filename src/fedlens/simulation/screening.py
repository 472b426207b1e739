"""The server's checks of a round: their verdicts, and which updates reach the rule."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fedlens.defences.detector import Detector, Validation, Verdict
from fedlens.runs.record import CheckRecord
from fedlens.simulation.engines import Engine
from fedlens.simulation.engines.context import Job
from fedlens.simulation.engines.inspection import InspectionJob, ValidationJob


@dataclass(frozen=True)
class Screening:
    """The outcome of a round's checks.

    Attributes:
        accepted: rows of the updates that reach the rule.
        of_each: for each update, what every check said of it, by the checks' names.
        tables: tensors that are too large for the record, by ``check.table``.
    """

    accepted: list[int]
    of_each: list[dict[str, CheckRecord]]
    tables: dict[str, Tensor]


def screen(detectors: Mapping[str, Detector], round_: int, alpha: tuple[float, ...], engine: Engine) -> Screening:
    """Let every detector inspect the updates, with accuracies on the validation set for those that need them.

    Args:
        detectors: the checks by their names.
        round_: number of the round.
        alpha: the weights α_i of the updates received.
        engine: its workers validate and inspect the shared updates.

    Raises:
        ClientError: a detector failed, or did not judge every client.
    """
    if not alpha:
        return Screening([], [], {})
    verdicts = inspect(detectors, round_, alpha, engine)
    accepted = set(range(len(alpha)))
    of_each: list[dict[str, CheckRecord]] = [{} for _ in alpha]
    tables: dict[str, Tensor] = {}
    for name, detector in detectors.items():
        verdict = verdicts[name]
        flagged = verdict.flagged.tolist()
        if detector.action == "reject":
            accepted -= {row for row, rejected in enumerate(flagged) if rejected}
        for row, (score, is_flagged) in enumerate(zip(verdict.scores.tolist(), flagged, strict=True)):
            details = {detail: entries[row] for detail, entries in verdict.details.items()}
            of_each[row][name] = CheckRecord(score, is_flagged, details)
        tables |= {f"{name}.{table}": content for table, content in verdict.tables.items()}
    return Screening(sorted(accepted), of_each, tables)


def inspect(
    detectors: Mapping[str, Detector], round_: int, alpha: tuple[float, ...], engine: Engine
) -> dict[str, Verdict]:
    """Return the verdicts by the checks' names.

    Checks that need no validation run while models are validated.
    """
    validating = [name for name, detector in detectors.items() if detector.validates]
    ready = [InspectionJob(round_, name, alpha) for name in detectors if name not in validating]
    models = [ValidationJob(round_, row, alpha, others) for others in (False, True) for row in range(len(alpha))]
    jobs: list[Job] = [*ready, *(models if validating else [])]
    results = engine.run(jobs, lambda _: None)
    if validating:
        accuracies = torch.tensor([result["accuracy"] for result in results[len(ready) :]], dtype=torch.float64)
        validation = Validation(*accuracies.view(2, -1).unbind())
        late = [InspectionJob(round_, name, alpha, validation) for name in validating]
        results = results[: len(ready)] + engine.run(late, lambda _: None)
    return {result["check"]: result["verdict"] for result in results}
