"""The record of a round: what the simulator writes into ``rounds.jsonl`` and every reader reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isnan
from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, PositiveInt, TypeAdapter
from typing_extensions import override

from fedlens.core.documents import Finite, Logged, Proportion
from fedlens.experiment.measures import CHECK_WITH
from fedlens.goals.answers import BackdoorRecord
from fedlens.goals.success import Success
from fedlens.models.evaluation import Quality as Quality  # noqa: PLC0414 - rooms above take it from here
from fedlens.runs.key_access import KeyAccess
from fedlens.runs.version_1 import in_version_1

VERSION = 2
"""The version of the records that are written; records of version 1 are those of fedlens 0.1."""


@dataclass(frozen=True)
class CheckRecord:
    """What a check said of a client.

    Attributes:
        score: how conspicuous the client is.
        flagged: True if the check holds it for an attacker.
        details: further numbers, or lists of numbers, by name.

    Example:
        >>> from fedlens.runs import CheckRecord
        >>> check = CheckRecord(score=2.5, flagged=True, details={"norm": 0.75})
        >>> check.details["norm"]
        0.75
    """

    score: Finite
    flagged: bool
    details: dict[str, float | list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class ClippingRecord:
    """What a stage of the server's chain that limits lengths did.

    Attributes:
        clipped: how many updates it shortened.
        longest: the greatest length that it got; of centred clipping, the greatest distance from the last aggregate.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> clip = {"name": "clip", "max_norm": 1000}
        >>> experiment = Experiment(data="digits", clients=2, rounds=1, aggregation=[clip, "median"], attack=None)
        >>> [result] = simulate(experiment, engine="serial")
        >>> result.record.clipping["0.clip"].clipped
        0
    """

    clipped: NonNegativeInt
    longest: Finite


@dataclass(frozen=True)
class AttackRecord:
    """What a malicious client did.

    Attributes:
        acted: True if it attacked, False if it trained honestly.
        reason: why it did not attack, in a word.
        alpha: the weight α_m that it assumed to be announced.
        log: what the attack logged, and how far its estimate of the others was off.

    Example:
        >>> import fedlens
        >>> run = fedlens.load_run("runs/digits")
        >>> [attacker] = run.records[0].attackers
        >>> attack = attacker.attack
        >>> attack.acted, round(attack.log["boost"])
        (True, 4)
    """

    acted: bool
    reason: str | None
    alpha: Finite
    log: dict[str, Logged] = field(default_factory=dict)


@dataclass(frozen=True)
class ClientRecord:
    """A client that took part in a round.

    Attributes:
        client: its number.
        effective_weight: weight that its update had in the end, 0 if rejected; ``None`` if the rule cannot tell.
        rejected: True if its update did not reach the rule: a check rejected it, or it is malformed.
        malformed: True if its update had entries that are not finite, or another shape or type than the model's weights
            (see `fault`); no check saw it.
        checks: what the server's checks said of it, by their names.
        measured: what was measured of its update (`fedlens.experiment.measures`) and is not among a check's details;
            see `measure`.
        negative_variances: how many running variances of its own model, w_G^t + δ, are below 0, which no honest
            training makes of them.
        attack: what it did, if it is malicious.
        work: the part of its batches that it trained on; less than 1 for a straggler.
        model: quality of the malicious model w_G^t + δ_m, if it is malicious; of several clients one model,
            w_G^t + Σ α_i δ_i / Σ α_i.

    Example:
        >>> import fedlens
        >>> run = fedlens.load_run("runs/digits")
        >>> [round(client.effective_weight, 2) for client in run.records[0].clients]
        [0.25, 0.25, 0.25, 0.25]
    """

    client: NonNegativeInt
    effective_weight: Finite | None = None
    rejected: bool = False
    malformed: bool = False
    checks: dict[str, CheckRecord] = field(default_factory=dict)
    measured: dict[str, float | list[float]] = field(default_factory=dict)
    attack: AttackRecord | None = None
    model: Quality | None = None
    negative_variances: NonNegativeInt = 0
    work: Proportion = 1.0

    @property
    def fault(self) -> str:
        """What is wrong with a malformed update; empty if it is none."""
        if not self.malformed:
            return ""
        return str((self.attack.log if self.attack is not None else {}).get("malformed", "not finite"))

    @property
    def attacked(self) -> bool:
        """True if it is malicious and attacked in this round."""
        return self.attack is not None and self.attack.acted

    def measure(self, name: str) -> float | list[float] | None:
        """Return a number measured of its update, whether it was recorded by itself or by a check; ``None`` if neither.

        Args:
            name: such as ``norm`` or ``wasserstein``, or ``range`` and ``others``, which are pairs, empty where the
                round had no two updates to compare.

        Example:
            >>> from fedlens.runs.record import ClientRecord
            >>> client = ClientRecord(3, measured={"norm": 2.5})
            >>> client.measure("norm"), client.measure("wasserstein")
            (2.5, None)
        """
        of_checks = [check.details for by, check in self.checks.items() if CHECK_WITH.get(name, by) == by]
        return next((numbers[name] for numbers in (self.measured, *of_checks) if name in numbers), None)


@dataclass(frozen=True)
class ControlRecord:
    """A control's global model in the same round: the benign twin's, or the placebo's.

    Attributes:
        quality: on the test set.
        target: its answers to the target samples, unless the goal is another one.
        backdoor: its answers to the inputs of which such a goal wants something.
        goal_met: of the placebo, whether such a goal is met there, compared with the benign twin.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> local = {"epochs": 5, "batch_size": 20}
        >>> experiment = Experiment(data="digits", clients=2, rounds=1, attack="honest", local=local)
        >>> [result] = simulate(experiment, engine="serial")
        >>> result.record.twin.quality == result.record.quality
        True
    """

    quality: Quality
    target: Success | None = None
    backdoor: BackdoorRecord | None = None
    goal_met: bool | None = None

    @property
    def outcome(self) -> Success:
        """Its answers to the target samples, which every run for these records."""
        assert self.target is not None, "there are no target samples"
        return self.target


@dataclass(frozen=True)
class RoundRecord(KeyAccess):
    """A round in plain values, which are the same whenever the experiment is repeated.

    Attributes:
        round: its number, from 1.
        clients: those that took part (the cohort), at least one.
        skipped: why the global model did not change, if so.
        failed: clients that were chosen, too, but sent nothing.
        quality: the global model on the test set afterwards.
        target: the global model's answers to the target samples; ``None`` in a control, and where the goal is another.
        backdoor: its answers to the inputs of which such a goal wants something.
        goal_met: True if such a goal is met, compared with the benign twin; ``None`` without a twin.
        twin: the same of the benign twin, if there is one.
        placebo: the same of the federation without the malicious clients, if that was run.
        destroyed: True if the global model, or its answers, are no longer finite.
        clipping: what stages that limit lengths did, by their positions in the chain and their names, as ``0.clip``;
            empty in records from before it was noted.
        mean_accuracy: the test accuracy that a plain mean of the round's updates would have given, in the first and the
            last round without attack, under a server that does anything else; else ``None``.
        version: the version in which the record was written: `VERSION`, 1 for fedlens 0.1, 0 for records from before
            there were placebos.

    Example:
        >>> import fedlens
        >>> experiment = fedlens.Experiment(data="digits", clients=4, fraction=0.5, rounds=1)
        >>> [result] = fedlens.simulate(experiment, engine="serial")
        >>> result.record.cohort, sum(client.effective_weight for client in result.record.clients)
        ([0, 3], 1.0)
    """

    round: PositiveInt
    clients: Annotated[list[ClientRecord], Field(min_length=1)]
    quality: Quality
    target: Success | None = None
    skipped: str | None = None
    twin: Annotated[ControlRecord | None, Field(alias="control")] = None
    placebo: ControlRecord | None = None
    destroyed: bool = False
    backdoor: BackdoorRecord | None = None
    goal_met: bool | None = None
    failed: list[NonNegativeInt] = field(default_factory=list)
    clipping: dict[str, ClippingRecord] = field(default_factory=dict)
    mean_accuracy: Proportion | None = None
    version: Annotated[int, Field(ge=0, le=VERSION)] = VERSION

    @property
    def cohort(self) -> list[int]:
        """The clients that took part."""
        return [client.client for client in self.clients]

    @cached_property
    def seen(self) -> list[ClientRecord]:
        """The clients whose updates the server's checks saw."""
        return [client for client in self.clients if not client.malformed]

    @cached_property
    def malicious_clients(self) -> list[ClientRecord]:
        """The malicious clients that took part, whether they attacked or not."""
        return [client for client in self.clients if client.attack is not None]

    @cached_property
    def attackers(self) -> list[ClientRecord]:
        """The malicious clients that took part and attacked."""
        return [client for client in self.clients if client.attacked]

    @property
    def malicious_model(self) -> Quality | None:
        """The quality of the malicious clients' model, if any took part."""
        return self.malicious_clients[0].model if self.malicious_clients else None

    @property
    def malicious_weight(self) -> float | None:
        """The effective weight of all malicious clients; ``None`` if none took part, or the rule cannot tell."""
        return total_weight(self.malicious_clients)

    @property
    def malicious(self) -> ClientRecord | None:
        """The malicious client, if it took part; the first of several. Prefer `malicious_clients`."""
        return next(iter(self.malicious_clients), None)

    @property
    def attacker(self) -> ClientRecord | None:
        """The malicious client, if it took part and attacked; the first of several. Prefer `attackers`."""
        return next(iter(self.attackers), None)

    @property
    def rejected(self) -> list[int]:
        """The clients whose updates did not reach the rule."""
        return [client.client for client in self.clients if client.rejected]

    @property
    def malformed(self) -> list[int]:
        """The clients whose updates were rejected because they were not finite, or of another shape or type."""
        return [client.client for client in self.clients if client.malformed]

    @property
    def effective_weights(self) -> list[float] | None:
        """The effective weight of each client's update; ``None`` if the rule cannot tell."""
        weights = [client.effective_weight for client in self.clients]
        return None if None in weights else [weight for weight in weights if weight is not None]

    @property
    def controls(self) -> dict[str, ControlRecord]:
        """The controls that were run, ``control`` (the benign twin) and ``placebo``."""
        sides = {"control": self.twin, "placebo": self.placebo}
        return {name: side for name, side in sides.items() if side is not None}

    @property
    def knows_placebos(self) -> bool:
        """True unless the record is from before there were placebos, so that nothing is known of any."""
        return self.version > 0

    @property
    def outcome(self) -> Success:
        """The global model's answers to the target samples, which every record has but a control's and other goals'."""
        assert self.target is not None, "there are no target samples"
        return self.target

    @property
    def answers(self) -> bool:
        """True if the global model answers with numbers."""
        return not isnan(self.quality.loss) and not (self.target is not None and None in self.target.predicted)

    def plain(self) -> dict[str, Any]:
        """Return the record as it is written."""
        values: dict[str, Any] = ROUND.dump_python(self, by_alias=True)
        for client in values["clients"]:
            for name in ("measured", "negative_variances"):
                if not client[name]:
                    del client[name]
            if client["work"] == 1:
                del client["work"]
        if not values["failed"]:
            del values["failed"]
        return _without_goal(values) | {"version": VERSION}

    @override
    def by_old_keys(self) -> dict[str, Any]:
        return in_version_1(_without_goal(ROUND.dump_python(self, by_alias=True)))


ROUND = TypeAdapter(RoundRecord)


def total_weight(clients: Sequence[ClientRecord]) -> float | None:
    """Return the effective weight of these clients together; ``None`` if there are none, or the rule cannot tell."""
    weights = [client.effective_weight for client in clients]
    return sum(weight for weight in weights if weight is not None) if weights and None not in weights else None


def _without_goal(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a record has nothing of: other goals than target samples, metrics, and stages that clip."""
    if not values["clipping"]:
        del values["clipping"]
    if values["mean_accuracy"] is None:
        del values["mean_accuracy"]
    sides = (values, values["control"], values["placebo"])
    qualities = [side["quality"] for side in sides if side] + [client["model"] for client in values["clients"]]
    for quality in qualities:
        if quality and not quality["metrics"]:
            del quality["metrics"]
    for side in sides:
        for name in {"backdoor", "goal_met"} & (side or {}).keys():
            if side[name] is None:
                del side[name]
        if side and "backdoor" in side and side["backdoor"]["distinct"] is None:
            del side["backdoor"]["distinct"]
    return values


def class_name(classes: Sequence[str], number: int | None) -> str:
    """Return the name of a predicted class; ``none`` if the answer is NaN."""
    return "none" if number is None else classes[number]
