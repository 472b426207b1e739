"""A check at work on a round's updates, and what it may want to know of each."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fedlens.core.custom import copy_tensors, is_custom
from fedlens.core.errors import ClientError
from fedlens.core.origin import at, told
from fedlens.core.random import seeded
from fedlens.core.staying import staying
from fedlens.defences.detector import Detector, Inspection, Validation, Verdict
from fedlens.defences.verdicts import fault
from fedlens.models.evaluation import blocks, right
from fedlens.simulation.engines.context import GLOBAL, SharedTensors, WorkerContext


@dataclass(frozen=True)
class ValidationJob:
    """A client's own model, or that of all the others, on the server's validation set.

    The updates that were received are the first shared ones, as many as there are weights `alpha`.
    """

    round: int
    row: int
    alpha: tuple[float, ...]
    others: bool
    cost: float = 1
    reads = None

    @property
    def name(self) -> str:
        """The job's name for error messages."""
        return f"validation of update {self.row} in round {self.round}"

    def fills(self, shared: SharedTensors) -> list[Tensor]:  # noqa: ARG002
        """Return views of the shared tensors that it fills: none."""
        return []

    def run(self, context: WorkerContext) -> dict[str, Any]:
        """Return the accuracy, a fraction."""
        samples = context.validation
        assert samples is not None, "no validation set"
        updates, update = context.shared.updates[: len(self.alpha)], context.shared.updates[self.row]
        if self.others:
            alpha = torch.tensor(self.alpha, dtype=torch.float64)
            alpha[self.row] = 0
            update = (alpha / alpha.sum().clamp(min=torch.finfo(alpha.dtype).tiny)).to(updates) @ updates
        context.network.load(context.shared.models[GLOBAL] + update)
        count = 0
        draws = context.root.at("validation", self.round, self.row, int(self.others))
        for block in blocks(0, len(samples)):
            log_probabilities = context.predictions(samples.x[block], draws.at(block.start))
            count += int(right(log_probabilities, samples.y[block]).sum())
        return {"accuracy": count / len(samples)}


@dataclass(frozen=True)
class InspectionJob:
    """A check's look at all updates of a round.

    Attributes:
        round: number of the round.
        check: the check's name.
        alpha: the weights α_i of the updates that were received, which are the first shared rows.
        validation: the accuracies, for a check that wants them.
    """

    round: int
    check: str
    alpha: tuple[float, ...]
    validation: Validation | None = None
    cost: float = 2
    reads = None

    @property
    def name(self) -> str:
        """The job's name for error messages."""
        return f"check {self.check} in round {self.round}"

    def fills(self, shared: SharedTensors) -> list[Tensor]:  # noqa: ARG002
        """Return views of the shared tensors that it fills: none."""
        return []

    def run(self, context: WorkerContext) -> dict[str, Any]:
        """Return the check's name and its verdict."""
        alpha = torch.tensor(self.alpha, dtype=torch.float64, device=context.shared.updates.device)
        detector = context.detectors[self.check]
        layout = context.network.layout if detector.sees_buffers else context.network.layout.parameters
        weights = context.shared.models[GLOBAL, : layout.size]
        updates = context.shared.updates[: len(self.alpha), : layout.size]
        seen = Inspection(self.round, weights, updates, alpha, layout, self.validation)
        if is_custom(detector):
            with seeded(context.root.at("check", self.check, self.round)):
                verdict = verdict_of(self.check, detector, copy_tensors(seen))
        else:
            verdict = verdict_of(self.check, detector, seen)
        # Copies, as a view would bring along what it is a view of.
        return {"check": self.check, "verdict": copy_tensors(verdict)}


def verdict_of(name: str, detector: Detector, seen: Inspection) -> Verdict:
    """Return what a check says of a round.

    Raises:
        ClientError: it failed, or said something else than a verdict on each update.
    """
    try:
        with staying(f"check {name}, in round {seen.round},"):
            verdict = detector.inspect(seen)
    except ClientError:
        raise
    except Exception as error:
        raise ClientError(f"check {name} failed in round {seen.round}: {told(error)}") from error
    if wrong := fault(verdict, len(seen.updates)):
        raise ClientError(
            f"check {name}, in round {seen.round}, returned {wrong}: "
            f"let inspect{at(detector.inspect)} return Verdict(scores, flagged, details)"
        )
    return verdict
