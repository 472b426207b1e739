"""What an audit is about: an experiment without its own attack, one goal, one team, and two lists of seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from typing import Any, Literal

from fedlens.core.random import Address
from fedlens.experiment.agreement import attacking
from fedlens.experiment.attackers import Attackers
from fedlens.experiment.experiment import Experiment
from fedlens.studies.audit.changing import with_attack
from fedlens.studies.audit.waiting import Waiting

Purpose = Literal["search", "verdict"]


@dataclass(frozen=True)
class Subject:
    """An experiment to be audited.

    Attributes:
        experiment: its data, model, clients, server and goal, and who attacks; its own attack is not heeded.
        accuracy_cost: the most that a success may cost in accuracy, as a fraction.

    Example:
        >>> from fedlens import Experiment
        >>> from fedlens.studies.audit.subject import Subject
        >>> subject = Subject.of(Experiment(data="digits", aggregation="median"), accuracy_cost=0.03)
        >>> subject.with_seed("search", 0).seed == subject.with_seed("verdict", 0).seed
        False
    """

    experiment: Experiment
    accuracy_cost: float

    @classmethod
    def of(cls, experiment: Experiment, accuracy_cost: float) -> Subject:
        """Return the experiment as an audit takes it: with its controls, to its end, and its first target samples.

        Raises:
            ConfigError: it cannot be attacked at all.
        """
        changes: dict[str, Any] = {"control": True, "placebo": True, "stop_at": None, "name": "audit", "about": ""}
        if experiment.goal is None:
            changes["target"] = experiment.target.model_copy(update={"draw": 0})
        waiting = with_attack(experiment, Waiting())
        return cls(waiting.model_copy(update=changes), accuracy_cost)

    @property
    def largest_cost(self) -> float:
        """The most that a success may cost; to damage the model, an attack may cost anything."""
        return self.accuracy_cost if self.asks else inf

    @property
    def asks(self) -> bool:
        """Whether the goal asks the model for classes that it wants."""
        return self.experiment.goal is None or self.experiment.goal.asks

    @cached_property
    def root(self) -> Address:
        """Where the seeds begin."""
        return Address.root(self.experiment.seed).at("audit")

    def seed(self, purpose: Purpose, number: int) -> int:
        """Return a seed of the search or of the verdict; the search never sees those of the verdict."""
        return self.root.at(purpose, number).integer() % 2**31

    def with_seed(self, purpose: Purpose, number: int) -> Experiment:
        """Return the experiment with a seed of the search or the verdict."""
        return self.experiment.model_copy(update={"seed": self.seed(purpose, number)})

    def forked(self, number: int) -> Experiment:
        """Return the experiment whose single rounds are attacked, with a seed of the search.

        Where clients are sampled, so many attackers take part in each of its rounds as do on average, and at least one:
        a round without any says nothing of an attack.
        """
        seeded = self.with_seed("search", number)
        if seeded.cohort_size == seeded.clients or seeded.every_round:
            return seeded
        present = seeded.team[: attacking(seeded.attackers, seeded.clients, seeded.cohort_size)]
        return seeded.model_copy(update={"attackers": Attackers(clients=present, schedule="every-round")})

    def under(self, experiment: Experiment) -> Subject:
        """Return the same of another experiment."""
        return replace(self, experiment=experiment)
