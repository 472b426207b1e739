"""Alternating minimisation: malicious and benign steps in turn, so that only the former are boosted.

Bhagoji et al., *Analyzing Federated Learning through an Adversarial Lens* (ICML 2019), section 3.3, Algorithm 1. From
the global weights, for E_m epochs over the shard:

    minimise L({x, τ}) from the current weights; multiply the displacement by λ and add it;
    minimise the shard's loss, plus the distance constraint if there is one (`fedlens.attacks.constraint`).

The total displacement is sent, unboosted. Both optimizers keep their state across the epochs.

``order``: the authors' code, our default, makes a malicious step after every ``ls`` benign batches; ``malicious-first``
makes it before each epoch, as in Algorithm 1. The number of steps of the algorithm's "minimise" is
``malicious_steps``, 1 in the authors' code.

``evaluate_at: global`` is ours, not the paper's: both losses are also taken at the predicted global model, and the
malicious step is as short as possible. See `fedlens.attacks.predicted_global_model`.
"""

from __future__ import annotations

from contextlib import nullcontext
from math import ceil
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from typing_extensions import override

from fedlens.attacks.attack import Attack, View
from fedlens.attacks.boosting import boosted
from fedlens.attacks.constraint import Constraint, Distance
from fedlens.attacks.objective import GOALS, Goal, Objective
from fedlens.attacks.predicted_global_model import PredictedGlobalModel
from fedlens.core.lazy import torch
from fedlens.training.local import LocalTraining, batches
from fedlens.training.optimizers import Optimizer

if TYPE_CHECKING:
    from torch import Tensor


class AlternatingMinimisation(Attack):
    """Boosted malicious steps and benign steps in turn, optionally close to a reference.

    Attributes:
        objective: ``targeted``, or ``untargeted``, which raises the loss on the malicious client's shard.
        epochs: passes E_m over the shard.
        order: ``benign-first`` as in the authors' code, or ``malicious-first`` as in the paper's Algorithm 1.
        ls: benign batches before a malicious step, in the order of the authors' code.
        malicious_steps: steps on the malicious loss each time, boosted together; one by one with ``global``.
        malicious_learning_rate: learning rate of these steps; by default that of the benign steps, as in the authors'
            code.
        malicious_dropout: whether dropout is on in these steps, as in the authors' code.
        constraint: the distance constraint on the benign steps; none by default.
        evaluate_at: ``local``, as in the paper: malicious losses are taken at the client's own weights; ``global``,
            ours: at the predicted global model, and benign losses there, too.
        confidence: in the target class; ``global`` malicious steps stop there.
        weights_only: boost and constrain weights, not biases (the authors' ``wt_o``).

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import AlternatingMinimisation
        >>> attack = AlternatingMinimisation(epochs=10, ls=5)
        >>> experiment = Experiment(data="digits", rounds=1, attack=attack, control=False)
        >>> [result] = simulate(experiment, engine="serial")
        >>> result.record.malicious.attack.log["steps"], result.record.malicious.attack.log["malicious_steps"]
        (20, 4)
    """

    later: ClassVar[frozenset[str]] = frozenset({"malicious_learning_rate", "malicious_dropout"})

    objective: Objective = "targeted"
    epochs: PositiveFloat = 10
    order: Literal["benign-first", "malicious-first"] = "benign-first"
    ls: PositiveInt = 10
    malicious_steps: PositiveInt = 1
    malicious_learning_rate: PositiveFloat | None = None
    malicious_dropout: bool = True
    constraint: Constraint | None = None
    evaluate_at: Literal["local", "global"] = "local"
    confidence: float = Field(default=0.9, gt=0, lt=1)
    weights_only: bool = False

    @model_validator(mode="after")
    def _possible(self) -> AlternatingMinimisation:
        if self.evaluate_at == "global" and self.objective == "untargeted":
            raise ValueError(
                "evaluate_at: global aims at a target, an untargeted attack has none; e.g. -o attack.evaluate_at=local"
            )
        default_steps = self.malicious_learning_rate is None and self.malicious_dropout
        if self.evaluate_at == "global" and not default_steps:
            raise ValueError(
                "evaluate_at: global takes steps of its own length, with dropout off; leave out "
                "malicious_learning_rate and malicious_dropout, or take -o attack.evaluate_at=local"
            )
        return self

    @property
    @override
    def estimates(self) -> bool:
        return super().estimates or (self.constraint is not None and self.constraint.reference == "others")

    @property
    @override
    def memory(self) -> int:
        # with `global`, an attack also sees how far it missed its last aim
        return max(super().memory, int(self.evaluate_at == "global"))

    def craft(self, view: View) -> Tensor:
        """Return the total displacement, shape ``[d]``; log both numbers of steps, the malicious loss reached and λ."""
        network, factor = view.network, self.factor(view.team_alpha)
        plan = view.local.over(self.epochs)
        steps = plan.steps_for(len(view.shard))
        turns = self._turns(steps, ceil(len(view.shard) / plan.batch_size))
        term = self._constraint_term(view)
        network.load(view.weights)
        predicted = self._predicted_global_model(view)
        goal = GOALS[self.objective](view)
        benign, malicious = view.local.new_optimizer(network), self._malicious_plan(view).new_optimizer(network)
        taken = 0

        def turn() -> int:
            if predicted is None:
                return self._malicious_step(view, goal, malicious, factor)
            return self._shortest_steps(predicted, factor)

        with network.training(view.address):
            for index, batch in enumerate(batches(view.shard, plan, view.address)):
                if self.order == "malicious-first" and index in turns:
                    taken += turn()
                if predicted is None:
                    network.backward(batch.x, batch.y, criterion=plan.criterion)
                else:
                    predicted.backward(batch)
                if term is not None:
                    term(network.vector).backward()  # type: ignore[no-untyped-call]
                benign.step()
                if self.order == "benign-first" and index in turns:
                    taken += turn()
        view.log.update(steps=steps, malicious_steps=taken, loss=goal.loss(), boost=factor)
        if predicted is not None:
            view.log.update(expected_loss=predicted.loss(), lead=predicted.lead)
        return network.state() - view.weights

    def _turns(self, steps: int, per_epoch: int) -> range:
        """Return the benign steps, from 0, that a malicious one accompanies."""
        if self.order == "malicious-first":
            return range(0, steps, per_epoch)
        if steps < self.ls:
            raise ValueError(
                f"attack.ls: the shard gives {steps} batches in all, fewer than ls = {self.ls}; "
                f"lower it, e.g. -o attack.ls={steps}"
            )
        return range(self.ls - 1, steps, self.ls)

    def _malicious_step(self, view: View, goal: Goal, optimizer: Optimizer, factor: float) -> int:
        """Minimise the malicious loss, boost the displacement, add it; return the number of steps due."""
        network, taken = view.network, 0
        before = network.vector.detach().clone()
        with nullcontext() if self.malicious_dropout else network.without_dropout():
            for _ in range(self.malicious_steps):
                if goal.backward():
                    optimizer.step()
                    taken += 1
        if taken:
            displacement = network.vector.detach() - before
            boost = boosted(displacement, factor, network.layout, weights_only=self.weights_only)
            torch.add(before, boost, out=network.vector.data)
        return taken

    def _malicious_plan(self, view: View) -> LocalTraining:
        """Return the plan of the malicious steps."""
        rate = self.malicious_learning_rate
        return view.local if rate is None else view.local.model_copy(update={"learning_rate": rate})

    def _predicted_global_model(self, view: View) -> PredictedGlobalModel | None:
        """Return the model that ``evaluate_at: global`` predicts, less what ``estimate: post`` will subtract."""
        if self.evaluate_at == "local":
            return None
        estimate = view.estimate() if self.estimate == "post" else None
        return PredictedGlobalModel(view, self.confidence, 0 if estimate is None else -self.correction(view, estimate))

    def _shortest_steps(self, predicted: PredictedGlobalModel, factor: float) -> int:
        """Take boosted steps towards the predicted model's confidence; return the number due."""
        return sum(predicted.step(factor, weights_only=self.weights_only) for _ in range(self.malicious_steps))

    def _constraint_term(self, view: View) -> Distance | None:
        """Return the constraint's term of the benign loss, as a function of the weights."""
        if self.constraint is None:
            return None
        parameters = len(view.network.vector)
        weights = [part for part in view.network.layout.slices if part.kind == "weight"]

        def entries(vector: Tensor) -> Tensor:
            return torch.cat([vector[part.start : part.stop] for part in weights]) if self.weights_only else vector

        reference = self.constraint.find_reference(view, self.epochs)
        return self.constraint.term(reference[:parameters], view.received[:parameters], entries)
