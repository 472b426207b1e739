"""DBA, the distributed backdoor attack: each attacker plants its own part of the trigger, and the test has all of them.

C. Xie, K. Huang, P.-Y. Chen and B. Li, *DBA: Distributed Backdoor Attacks against Federated Learning* (ICLR 2020): with
a trigger in parts M_1, …, M_m, attacker k poisons a share of its samples by

    x̃ = (1 − M_k) ⊙ x + M_k ⊙ v,    labelled τ,

and success is measured with the whole trigger, ∪ M_k. Parts are dealt in turn by an attacker's place in the team. They
come in two forms:

- ``every-round`` (their A-M): attackers train on poisoned samples in every round and send the update as it is;
- ``single`` (A-S): each attacker acts in one round alone, and boosts its update by γ.

Theirs are four attackers and the trigger `fedlens.goals.distributed`; γ = 100; single shots in rounds 12, 14, 16 and 18
of MNIST; and 10 or 6 epochs on poisoned samples at a learning rate of 0.05, where honest clients have 0.1. That A-M
does not boost is from memory. As `fedlens.attacks.badnets` does, it adds poisoned copies to the shard.

Attackers see their own samples, and agree on the trigger beforehand. A team of one stamps the whole trigger. Any number
of clients will do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveInt
from typing_extensions import override

from fedlens.attacks.attack import Boost, View
from fedlens.attacks.poisoned_training import PoisonedTraining

if TYPE_CHECKING:
    from torch import Tensor


class Dba(PoisonedTraining):
    """Training on samples with a part of the trigger each.

    Attributes:
        shots: ``every-round``, or ``single``: the attacker at place k acts only in round `first` + k · `every`.
        first: round of the first single shot.
        every: rounds from one single shot to the next.
        boost: γ; the paper's is 100 for single shots. ``auto`` is 1/Σα over the attackers of the round, for a single
            shot 1/α of the one that acts.
        epochs: passes over the poisoned shard; by default as many as those of honest clients over theirs.
        learning_rate: learning rate on it; by default that of honest clients.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> goal = {"name": "backdoor", "trigger": {"name": "distributed", "size": 3}}
        >>> attack = {"name": "dba", "shots": "single", "first": 1, "every": 1, "boost": "auto"}
        >>> plan = {"data": "digits", "rounds": 2, "control": False, "local": {"epochs": 1}}
        >>> experiment = Experiment(goal=goal, attack=attack, attackers={"count": 4}, **plan)
        >>> for result in simulate(experiment, engine="serial"):
        ...     print([client.client for client in result.record.attackers])
        [6]
        [7]
    """

    least_parts: ClassVar[int] = 2
    data_rep: ClassVar[int] = 1  # type: ignore[misc]

    shots: Literal["every-round", "single"] = "every-round"
    first: PositiveInt = 12
    every: PositiveInt = 2
    boost: Boost = 1

    @override
    def waits(self, view: View) -> str | None:
        if self.shots == "single" and view.round != self.first + view.place * self.every:
            return "not its shot"
        return super().waits(view)

    @override
    def _boost(self, update: Tensor, view: View) -> float:
        return self.factor(view.alpha if self.shots == "single" else view.team_alpha)
