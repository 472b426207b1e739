"""`Experiment`: the one description of a run, and the identity by which results are told apart."""

import warnings
from collections.abc import Iterator, Mapping
from math import floor
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationInfo, field_validator, model_validator
from typing_extensions import override

from fedlens.attacks.attack import Attack
from fedlens.core.config import Config
from fedlens.core.fields import Component, Components
from fedlens.core.recorded import Recorded
from fedlens.core.registry import name_of
from fedlens.data.adult import Adult
from fedlens.data.dataset import Data
from fedlens.data.partition import Iid, Partition
from fedlens.defences.chain import Chain
from fedlens.defences.detector import Detector
from fedlens.defences.links import Link
from fedlens.defences.mean import Mean
from fedlens.defences.stage import Stage
from fedlens.experiment import identity
from fedlens.experiment.agreement import (
    attack_fault,
    attackers_fault,
    checks_fault,
    claim_fault,
    cohort_fault,
    named_fault,
    target_fault,
    trigger_fault,
)
from fedlens.experiment.aims import pursuing, targets_read, with_trigger_named
from fedlens.experiment.assumed import assumed_chain, misassumed
from fedlens.experiment.attackers import Attackers
from fedlens.experiment.chained import Chained
from fedlens.experiment.failures import Failures
from fedlens.experiment.measures import MEASURES, Kind, kinds_read, measured_by
from fedlens.experiment.regression import class_faults, is_regression, with_goal, with_loss
from fedlens.goals.goal import Goal
from fedlens.goals.target_samples import Target
from fedlens.goals.trigger import Trigger
from fedlens.models.metrics import Metric
from fedlens.models.mlp import CensusMlp
from fedlens.models.model import Model
from fedlens.training.local import LocalTraining, loss_fault

VALIDATION_SAMPLES, ROOT_SAMPLES, LARGEST_SHARE = 2000, 100, 10
"""How many training samples are set apart where nothing is said, and at most one of how many."""

NAMES = {"name", "about"}
"""Options that are for people."""
UNTOLD = NAMES | {"record"}
"""Options that an identity leaves out, or tells in another form."""


class Experiment(Config):
    """A federated-learning experiment, with or without attackers.

    Attributes:
        name: the experiment's name; does not affect the result.
        about: a description for people; does not affect the result.
        seed: the seed of all random draws.
        data: the data set.
        partition: how the training samples are distributed among the clients.
        model: the network.
        clients: number of clients (K).
        fraction: share of the clients chosen in a round (C).
        rounds: number of rounds (T).
        stop_at: end after the round in which test accuracy reaches this fraction; off by default.
        local: how honest clients train (E, B, optimizer).
        checks: the checks that the server applies to updates before it aggregates them.
        record: what is measured of every update: norms, distances, histograms; by default what the checks measure
            anyway. It changes no other number.
        metrics: what is measured of the global model besides its accuracy: balanced-accuracy, f1, auc. It changes no
            other number.
        validation: training samples set aside for the server's checks; by default none, or 2,000 if a check needs
            them, but at most a tenth.
        root: training samples set aside for the server to train on; by default none, or 100 if a stage needs them, but
            at most a tenth.
        aggregation: the server's aggregation rule, or a list of the stages of its chain.
        goal: what the attackers want: ``targets``, that the samples of `target` are misclassified, or another goal.
        attack: what the malicious clients do, or ``none``.
        attackers: which clients are malicious; by default one, `Attack.client` or the last.
        target: which test samples the attacker wants misclassified.
        control: also run the benign twin, and compare the attack with it.
        placebo: under a rule that does not average, also run the federation without the malicious clients; a success
            that occurs there as well does not count.
        absent: clients that take part in no round, as in the placebo; only without attack.
        present: clients that are chosen in every round, as in the benign twin of attackers with the schedule
            ``every-round``; only without attack.
        failures: how often clients send nothing, or train on part of their batches.
        sample_counts: whether the server believes the numbers of samples that clients say to have (``claimed``), or
            has them from elsewhere (``known``), so that no attack can claim others.

    Example:
        >>> from fedlens import Experiment
        >>> experiment = Experiment(data="digits", clients=20, fraction=0.5, attack={"name": "explicit-boosting"})
        >>> experiment.cohort_size, experiment.team
        (10, (19,))
        >>> experiment.twin().attack is None
        True
    """

    later: ClassVar[frozenset[str]] = frozenset(
        {"attackers", "goal", "placebo", "absent", "present", "root", "failures", "metrics", "sample_counts"}
    )

    name: str = Field(default="experiment", pattern=r"^[\w][\w.+-]*$")
    about: str = ""
    seed: int = Field(default=0, ge=0, lt=2**63)
    data: Annotated[Data, Component("data")] = Adult()
    partition: Annotated[Partition, Component("partition")] = Iid()
    model: Annotated[Model, Component("model")] = CensusMlp()
    clients: PositiveInt = 10
    fraction: float = Field(default=1.0, gt=0, le=1)
    rounds: PositiveInt = 10
    stop_at: float | None = Field(default=None, gt=0, le=1)
    local: LocalTraining = LocalTraining()
    checks: Annotated[tuple[Detector, ...], Components("checks", Detector)] = ()
    record: tuple[Kind, ...] | None = None
    metrics: tuple[Metric, ...] = ()
    validation: PositiveInt | None = Field(default=None, examples=[100])
    root: PositiveInt | None = Field(default=None, examples=[100])
    aggregation: Annotated[Link | Chain, Chained("aggregation")] = Mean()
    goal: Annotated[Goal | None, Component("goal", Goal, absent="targets")] = None
    attack: Annotated[Attack | None, Component("attack", Attack)] = None
    attackers: Attackers | None = None
    target: Target = Target()
    control: bool = True
    placebo: bool = True
    absent: tuple[NonNegativeInt, ...] = ()
    present: tuple[NonNegativeInt, ...] = ()
    failures: Failures | None = None
    sample_counts: Literal["claimed", "known"] = "claimed"

    @field_validator("record", mode="before")
    @classmethod
    def _kinds(cls, value: Any) -> Any:
        return kinds_read(value)

    @field_validator("metrics", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        """Take one alone for a list."""
        return () if value in (None, "none") else [value] if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _targets(cls, values: Any) -> Any:
        """Take the options of the goal ``targets`` for those of `target`."""
        return targets_read(values) if isinstance(values, Mapping) else values

    @field_validator("goal", mode="before")
    @classmethod
    def _trigger(cls, value: Any, info: ValidationInfo) -> Any:
        """Take options of a trigger without a name for those of the data set's own."""
        if "data" not in info.data:
            return value
        return with_trigger_named(with_goal(value, info.data["data"]), info.data["data"])

    @field_validator("local", mode="after")
    @classmethod
    def _loss(cls, value: LocalTraining, info: ValidationInfo) -> LocalTraining:
        return with_loss(value, info.data["data"]) if "data" in info.data else value

    @field_validator("goal", mode="after")
    @classmethod
    def _settled(cls, value: Goal | None, info: ValidationInfo) -> Goal | None:
        return value.settled(info.data["data"]) if value is not None and "data" in info.data else value

    @field_validator("attack", mode="after")
    @classmethod
    def _pursues(cls, value: Attack | None, info: ValidationInfo) -> Attack | None:
        """Refuse an attack that cannot pursue the goal; turn one that can do so with another objective."""
        goal = info.data.get("goal")
        return value if value is None or goal is None else pursuing(value, goal)

    @model_validator(mode="after")
    def _possible(self) -> "Experiment":
        """Refuse options that do not agree."""
        if (fault := next(filter(None, self._faults()), None)) is not None:
            raise ValueError(fault)
        return self

    def _faults(self) -> Iterator[str | None]:
        """Say what is wrong with each group of options; what comes later relies on what came before."""
        clients, cohort, chain = self.clients, self.cohort_size, self.server
        if is_regression(self.data):
            yield from class_faults(
                self.partition, self.local, checks=self.checks, metrics=self.metrics, stop_at=self.stop_at,
                goal=self.goal, target=self.target,
            )  # fmt: skip
        elif not isinstance(self.data, Recorded):
            yield loss_fault(self.local.is_regression, regression=False)
        yield cohort_fault(chain, clients, self.fraction, cohort)
        yield checks_fault(self.checks, chain, self.local.buffers)
        yield attack_fault(self.attack, self.attackers, chain, clients, cohort)
        yield claim_fault(self.attack, known=self.sample_counts == "known")
        yield target_fault(self.goal, self.target, self.control)
        yield trigger_fault(self.attack, self.goal)
        yield misassumed(self.attack, self.attackers, chain, cohort)
        yield attackers_fault(self.attackers, self.attack, clients, cohort)
        yield None if self.failures is None else self.failures.misfit(clients)
        for option, named in (("absent", self.absent), ("present", self.present)):
            yield named_fault(option, named, clients, self.attack is not None)
        if len(self.present) > cohort:
            yield (
                f"present: {len(self.present)} clients do not fit a cohort of {cohort}; name fewer, or raise fraction, "
                "e.g. -o fraction=1"
            )
        if self.absent and not self.enough_updates:
            yield (
                f"absent: {self.fewest_updates} of a cohort of {cohort} may be left, and the rule needs "
                f"{self.updates_needed}; name fewer clients, or raise clients or fraction, e.g. -o 'absent=[]'"
            )

    @property
    def cohort_size(self) -> int:
        """Number of clients chosen in a round (k = C·K, rounded)."""
        return floor(self.fraction * self.clients + 0.5)

    @property
    def detectors(self) -> dict[str, Detector]:
        """The server's checks by their names."""
        return {name_of("checks", check): check for check in self.checks}

    @property
    def judges(self) -> dict[str, Link]:
        """All that scores clients, by name: the server's checks, and the filters of its chain."""
        return {**self.detectors, **self.server.filters}

    @property
    def recorded(self) -> tuple[Kind, ...]:
        """What is recorded of every update: what `record` names, and what the checks measure anyway."""
        return tuple(kind for kind in MEASURES if kind in {*measured_by(self.detectors), *(self.record or ())})

    @property
    def unchecked(self) -> tuple[Kind, ...]:
        """What is recorded of every update although no check measures it."""
        return tuple(kind for kind in self.recorded if kind not in measured_by(self.detectors))

    @property
    def server(self) -> Chain:
        """The server's chain, of one component or several; what is asked of it as a whole follows from these."""
        return Chain.of(self.aggregation)

    @property
    def only_averages(self) -> bool:
        """Whether the server takes the plain mean of all updates."""
        return self.aggregation == Mean() and all(check.action != "reject" for check in self.checks)

    @property
    def chain(self) -> tuple[Stage, ...]:
        """The stages of the server's chain, with the mean where no rule is written."""
        return self.server.whole

    @property
    def assumed(self) -> Chain | None:
        """The chain that attackers take for the server's; ``None`` if their attack does not need it."""
        return assumed_chain(self.attack, self.attackers, self.server)

    @property
    def set_apart(self) -> int:
        """Number of training samples that no client gets, because the server validates with them; see `settled`."""
        if self.validation is not None:
            return self.validation
        return VALIDATION_SAMPLES if any(check.validates for check in self.checks) else 0

    @property
    def root_apart(self) -> int:
        """Number of training samples that no client gets, because the server trains on them; see `settled`."""
        if self.root is not None:
            return self.root
        return ROOT_SAMPLES if self.server.needs_root else 0

    def settled(self, samples: int) -> "Experiment":
        """Return the experiment for this many training samples, with the numbers that are then set apart.

        Its identity is another one: it is only for whoever has the data, and for the twin, which has no check to tell.
        """
        largest, settled = max(samples // LARGEST_SHARE, 1), {}
        if self.validation is None and self.set_apart:
            settled["validation"] = min(VALIDATION_SAMPLES, largest)
        if self.root is None and self.root_apart:
            settled["root"] = min(ROOT_SAMPLES, largest)
        return self.model_copy(update=settled) if settled else self

    @property
    def team(self) -> tuple[int, ...]:
        """The attackers, in ascending order; empty where nobody attacks."""
        if self.attack is None:
            return ()
        if self.attackers is not None:
            return self.attackers.team(self.clients, self.seed)
        return (self.clients - 1 if self.attack.client is None else self.attack.client,)

    @property
    def malicious(self) -> int:
        """The attacker, if there is one; the last of several, and the last client without attack. Prefer `team`."""
        return self.team[-1] if self.team else self.clients - 1

    @property
    def every_round(self) -> tuple[int, ...]:
        """The clients that are chosen in every round, in ascending order, unless all are."""
        if self.cohort_size == self.clients:
            return ()
        scheduled = self.attackers is not None and self.attackers.schedule == "every-round"
        return self.team if scheduled else tuple(sorted(self.present))

    @property
    def fewest_updates(self) -> int:
        """The fewest updates that a round may have: every absent client may be among those chosen."""
        return max(0, self.cohort_size - len(self.absent))

    @property
    def updates_needed(self) -> int:
        """The fewest updates that the rule can work with; there has to be one."""
        return self.server.minimum

    @property
    def enough_updates(self) -> bool:
        """Whether the rule has enough updates in every round."""
        return self.fewest_updates >= self.updates_needed

    @property
    def needs_twin(self) -> bool:
        """Whether the benign twin has to be known before the first round."""
        return (self.attack is not None and self.control) or self.target.select in {"resistant", "edge"}

    @property
    def leaves_twin(self) -> bool:
        """Whether a run can serve as its benign twin, and controls are on."""
        return self.attack is None and self.stop_at is None and self.control

    @property
    def wants_placebo(self) -> bool:
        """Whether the run needs a placebo, if there can be one."""
        return self.attack is not None and self.control and self.placebo and not self.server.averages

    @property
    def controls(self) -> dict[str, "Experiment"]:
        """Experiments to run before the first round, by their names in records: ``control`` and ``placebo``."""
        controls = {"control": self.twin()} if self.needs_twin else {}
        if self.wants_placebo and (without := self.without_attacker()).enough_updates:
            controls["placebo"] = without
        return controls

    def is_over(self, rounds: int, accuracy: float | None) -> bool:
        """Tell whether no round is left after `rounds`, the last of which gave this test accuracy."""
        stops = self.stop_at is not None and accuracy is not None and accuracy >= self.stop_at
        return stops or rounds >= self.rounds

    def components(self) -> Iterator[tuple[str, Config]]:
        """Yield the components with their kinds."""
        for kind in ("data", "partition", "model", "aggregation", "attack", "goal"):
            if kind == "aggregation":
                yield from self.server.components()
            elif (component := getattr(self, kind)) is not None:
                yield kind, component
        if self.attackers is not None and self.attackers.guess is not None:
            yield from self.attackers.guess.components()
        if isinstance(trigger := getattr(self.goal, "trigger", None), Trigger):
            yield "trigger", trigger
        yield from (("checks", check) for check in self.checks)

    @property
    @override
    def code_behind(self) -> tuple[type, ...]:
        return tuple(cls for _, component in self.components() for cls in component.code_behind)

    def parts(self) -> Iterator[tuple[str, Config]]:
        """Yield `components` by their name of version 0.1."""
        message = "Experiment.parts is now Experiment.components; the old name will be removed"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return self.components()

    def _by_option(self) -> dict[str, Config | tuple[Config, ...]]:
        """Return the components by the options that hold them."""
        single = {kind: getattr(self, kind) for kind in ("data", "partition", "model", "aggregation", "attack", "goal")}
        if isinstance(self.aggregation, Chain):
            single["aggregation"] = self.aggregation.stages
        return {kind: held for kind, held in single.items() if held is not None} | {
            "checks": self.checks,
            "local": self.local,
        }

    def describe(self) -> dict[str, Any]:
        """Return the complete description as plain values, from which the experiment can be made again."""
        return self.model_dump(mode="json")

    def relevant(self) -> dict[str, Any]:
        """Return the part of the description that changes the result, in the form that identities have always had."""
        recorded = {"record": list(self.recorded)} if self.unchecked else {}
        described = identity.relevant(self, self._by_option(), UNTOLD) | recorded
        if self.attackers is None:
            return described
        return identity.with_attackers(described, self.attackers.identifying(self.clients, self.seed, self.every_round))

    def identity(self) -> str:
        """Return a digest of everything that changes the result, and of nothing else."""
        return identity.digest(self.relevant(), self.components())

    def twin(self) -> "Experiment":
        """Return the experiment without attack: malicious clients train honestly, in the same cohorts and rounds.

        Checks that only observe are left out, as is `record`, but not the samples that are set apart for them.
        """
        unlike: dict[str, Any] = {"name": "twin", "about": "", "attack": None, "attackers": None}
        unlike["goal"] = with_goal(None, self.data)
        unlike |= {"target": Target(), "control": False, "stop_at": None, "present": self.every_round}
        checks = tuple(check for check in self.checks if check.action == "reject")
        unlike |= {"metrics": (), "sample_counts": "claimed"}
        unlike["failures"] = self.failures and self.failures.settled(self.team)
        apart = {"validation": self.set_apart or None, "root": self.root_apart or None}
        return self.model_copy(update={**unlike, "placebo": True, "checks": checks, "record": None, **apart})

    def without_attacker(self) -> "Experiment":
        """Return the placebo: the twin from every round of which all malicious clients are absent.

        So all attacks of the same clients on the same experiment share it, as they share the twin.
        """
        return self.twin().model_copy(update={"name": "placebo", "absent": self.team or (self.malicious,)})


def control_name(control: Experiment) -> str:
    """Return what people call a control."""
    if not control.absent:
        return "benign twin"
    return "client absent" if len(control.absent) == 1 else "clients absent"
