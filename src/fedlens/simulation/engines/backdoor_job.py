"""The job of a goal that wants classes of inputs: a model's answers to test samples that carry the trigger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from fedlens.goals.answers import answered, parts_alone
from fedlens.goals.goal import NOTHING, Goal
from fedlens.goals.malicious_samples import changed_inputs, wanted_classes
from fedlens.models.evaluation import blocks
from fedlens.simulation.engines.context import GLOBAL, SharedTensors, WorkerContext


def variants(goal: Goal | None) -> int:
    """Return how many times a test sample is asked: with the whole trigger, and with each of several parts alone."""
    return 0 if goal is None or not goal.asks else 1 + parts_alone(goal.parts)


@dataclass(frozen=True)
class BackdoorJob:
    """Evaluation of the global model on changed test samples, from sample `start` to `stop`.

    Attributes:
        round: number of the round.
        variant: 0 for the whole trigger, 1 for its first part alone, and so on.
        start: first test sample.
        stop: the sample after the last.
        trained: what the team of attackers keeps, if it trains the trigger.
    """

    round: int
    variant: int
    start: int
    stop: int
    trained: Mapping[str, Tensor] = field(default_factory=dict)
    reads = GLOBAL

    @property
    def name(self) -> str:
        """The job's name for error messages."""
        return f"evaluation of triggered test samples {self.start} to {self.stop} in round {self.round}"

    @property
    def cost(self) -> float:
        """Duration relative to other jobs."""
        return self.stop - self.start

    def fills(self, shared: SharedTensors) -> list[Tensor]:
        """Return views of the shared tensors that it fills."""
        assert shared.answers is not None, "the goal asks nothing"
        return [shared.answers[self.variant, :, self.start : self.stop]]

    def run(self, context: WorkerContext) -> dict[str, Any]:
        """Answer to those samples of which something is wanted."""
        goal, test, answers = context.goal, context.dataset.test, context.shared.answers
        assert goal is not None
        goal = goal.trained(self.trained)
        assert answers is not None
        context.network.load(context.shared.models[GLOBAL])
        for block in blocks(self.start, self.stop):
            wanted = wanted_classes(goal, test.y[block], len(context.dataset.classes))
            asked = wanted != NOTHING
            answers[self.variant, :, block] = 0
            if not bool(asked.any()):
                continue
            inputs = changed_inputs(goal, test.x[block][asked], self.variant - 1 if self.variant else None)
            address = context.root.at("triggered", self.round, self.variant, block.start)
            log_probabilities = context.predictions(inputs, address)
            answers[self.variant, :, block][:, asked] = answered(log_probabilities, wanted[asked])
        return {}
