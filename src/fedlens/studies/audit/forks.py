"""Forked rounds: the benign twin is played once, and some of its rounds are then attacked, again and again.

A round is attacked by the simulation itself, from the twin's state, so that it is to the bit that of a run whose attack
begins with it. Honest clients train once for all attacks, and for the rounds in which the malicious clients are honest
or absent. So an attack costs what it takes to craft its update, the server's step, and an evaluation of the model.

Under an engine that trains clients side by side, an attacker of several that only poisons its samples is trained in
another stack than in such a run; then the bits agree up to rounding.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import TYPE_CHECKING

from fedlens.attacks.attack import Attack
from fedlens.core.errors import ConfigError
from fedlens.core.layout import Layout
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.core.registry import name_of
from fedlens.core.threads import one_thread
from fedlens.defences.adapters import as_stage
from fedlens.defences.chain import Chain
from fedlens.defences.rule import Rule
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import Setting
from fedlens.runs.record import ControlRecord, Quality, RoundRecord
from fedlens.runs.record_values import judged
from fedlens.runs.round_result import RoundResult
from fedlens.runs.state import FederationState
from fedlens.simulation.aiming import aimed
from fedlens.simulation.backdoors import measured
from fedlens.simulation.combining import names_of
from fedlens.simulation.engines import choose_engine
from fedlens.simulation.engines.context import GLOBAL
from fedlens.simulation.engines.training_once import TrainingOnce
from fedlens.simulation.rounds import Federation
from fedlens.simulation.runtime import Runtime
from fedlens.studies.audit.changing import with_attack
from fedlens.studies.audit.forked_round import ForkedRound, Outcome
from fedlens.studies.audit.planted import Planted, together
from fedlens.studies.audit.waiting import Waiting

if TYPE_CHECKING:
    from torch import Tensor

HERE = Runtime()


def forked_rounds(rounds: int) -> tuple[int, ...]:
    """Return the rounds that are attacked of so many: the first, and those after which a third and two are over."""
    return tuple(sorted({1, ceil(rounds / 3), ceil(2 * rounds / 3)}))


@dataclass(frozen=True)
class Played:
    """A benign twin in memory.

    Attributes:
        records: its rounds.
        last: the predictions of its last model, shape ``[samples, classes]``.
        states: the federation before each round that is to be attacked, by the round.
    """

    records: Sequence[RoundRecord]
    last: Tensor
    states: Mapping[int, FederationState]


@contextmanager
def forks_of(
    experiment: Experiment, runtime: Runtime = HERE, *, memory: int = 1, rounds: Sequence[int] | None = None
) -> Iterator[Forks]:
    """Play the benign twin of `experiment`, whose own attack is ignored but for who attacks; yield its forks.

    Args:
        experiment: with the seed that is to be played, its server and its goal.
        runtime: the engine, device and data.
        memory: for how many rounds attackers remember; the most of all attacks that will be tried.
        rounds: those that will be attacked; by default `forked_rounds`.

    Raises:
        FedlensError: the twin cannot be played, or no target samples be found.
    """
    waiting = with_attack(experiment, Waiting(rounds=memory)).model_copy(update={"stop_at": None})
    chosen = forked_rounds(waiting.rounds) if rounds is None else tuple(sorted(set(rounds)))
    if not chosen or not set(chosen) <= set(range(1, waiting.rounds + 1)):
        raise ConfigError(f"rounds: {list(chosen)} are to be attacked of 1 to {waiting.rounds}; e.g. [1]")
    setting = runtime.prepare(waiting)
    setting.try_model()
    setting = setting.with_target(None)
    with runtime.cluster(waiting) as cluster:
        choice = choose_engine(runtime.engine, runtime.workers, setting, cluster)
        with TrainingOnce(choice.make(), chosen) as engine:
            with one_thread():
                federation, start = Federation.set_up(setting, engine, lambda *_: None)
            twin = _played(federation, start, chosen)
            yield Forks(aimed(setting, twin), federation, twin, engine)


def _played(federation: Federation, start: FederationState, chosen: Sequence[int]) -> Played:
    """Play all rounds, and keep the states before the `chosen` ones."""
    state, records, states, last = start, [], {}, None
    for round_ in range(1, federation.setting.experiment.rounds + 1):
        if round_ in chosen:
            states[round_] = state
        with one_thread():
            result = federation.play(state)
        records.append(result.record)
        state, last = result.state, result.log_probabilities
        if result.record.destroyed:
            break
    assert last is not None
    return Played(records, last, states)


class Forks:
    """The rounds of a benign twin that can be attacked, under one server.

    Args:
        setting: the experiment with attackers that wait, its target samples chosen.
        federation: plays its rounds, on an engine that lets honest clients train once.
        twin: the benign twin.
        engine: the federation's.

    Example:
        >>> from fedlens import Experiment
        >>> from fedlens.attacks import ExplicitBoosting
        >>> from fedlens.studies.audit.forks import forks_of
        >>> plan = {"clients": 4, "rounds": 2, "local": {"steps": 5}, "target": {"select": "random"}}
        >>> with forks_of(Experiment(data="digits", aggregation="median", **plan)) as forks:
        ...     forked = forks.attack(ExplicitBoosting(boost=4), 2)
        >>> forks.rounds, forked.round, round(forked.announced, 2)
        ((1, 2), 2, 0.25)
    """

    def __init__(self, setting: Setting, federation: Federation, twin: Played, engine: TrainingOnce) -> None:
        self.setting = setting
        self.twin = twin
        self._federation = federation
        self._engine = engine
        self._benign: dict[tuple[int, bool], RoundResult | None] = {}

    @property
    def experiment(self) -> Experiment:
        """The experiment, with attackers that wait."""
        return self.setting.experiment

    @property
    def rounds(self) -> tuple[int, ...]:
        """The rounds that can be attacked: fewer than were asked for if the twin's model was destroyed before."""
        return tuple(sorted(self.twin.states))

    def under(self, plant: Planted) -> Forks:
        """Return these rounds under the server with a planted weakness, which goes on with what the own one kept."""
        chain = names_of(self.experiment.chain)
        [name] = names_of(Chain.of(plant).whole)

        def moved(state: FederationState) -> FederationState:
            own = [state.stages.get(word) or stage.init(self.layout.parameters) for word, stage in chain.items()]
            rest = {word: kept for word, kept in state.stages.items() if word not in chain}
            return replace(state, stages=rest | {name: together(own)})

        setting = replace(self.setting, experiment=plant.into(self.experiment))
        twin = replace(self.twin, states={round_: moved(state) for round_, state in self.twin.states.items()})
        return Forks(setting, self._federation, twin, self._engine)

    def drawing(self, draws: Address) -> Forks:
        """Return these rounds with the chain's random draws beginning at another address."""
        return Forks(self.setting, replace(self._federation, draws=draws), self.twin, self._engine)

    def updates(self, round_: int) -> dict[int, Tensor]:
        """Return the honest updates of a round, each ``[d]``, by client, as local training leaves them."""
        self.honest(round_)
        return self._engine.updates(round_)

    def attacked(self, attack: Attack, round_: int) -> Experiment:
        """Return the experiment whose run has the attack in this round for the first time, and in all after it.

        Raises:
            ConfigError: the attack does not suit it.
        """
        return with_attack(self.experiment, attack.model_copy(update={"delay": round_, "until": None}))

    def play(self, attack: Attack, round_: int) -> RoundResult:
        """Play a round, attacked.

        Raises:
            ConfigError: the attack does not suit the experiment, or remembers more than the twin kept.
            ClientError: it failed.
        """
        experiment, state = self.attacked(attack, round_), self._state(round_)
        if attack.memory > self.memory:
            raise ConfigError(
                f"memory: the attack looks back on {attack.memory} rounds, and the twin kept {self.memory}; "
                f"forks_of(experiment, memory={attack.memory})"
            )
        history = {client: past[-attack.memory :] for client, past in state.history.items()} if attack.memory else {}
        return self._played(experiment, replace(state, history=history))

    def honest(self, round_: int) -> RoundResult:
        """Play a round with everybody honest; the second time, it is at hand."""
        result = self._without(round_, absent=False)
        assert result is not None
        return result

    def absent(self, round_: int) -> RoundResult | None:
        """Play a round without the malicious clients; ``None`` where the server may need more than are left."""
        return self._without(round_, absent=True)

    def attack(self, attack: Attack, round_: int, arm: str = "") -> ForkedRound:
        """Attack a round, and compare it with the same one honest, and without the malicious clients.

        Args:
            attack: any, whose own `delay` and `until` are not heeded.
            round_: one of `rounds`.
            arm: what to call the attack; by default its name.

        Raises:
            ConfigError: the attack does not suit the experiment, or remembers more than the twin kept.
            ClientError: it failed.
        """
        began = time.perf_counter()
        result = self.play(attack, round_)
        seconds = time.perf_counter() - began
        honest, absent = self.honest(round_), self.absent(round_)
        team = result.state.team
        twin = self._measured(honest, team)
        record = result.record
        malicious = record.malicious_clients
        acting = record.attackers
        flagged = {name for client in malicious for name, check in client.checks.items() if check.flagged}
        weight = 0.0 if record.skipped is not None else record.malicious_weight
        without = honest if absent is None else absent
        return ForkedRound(
            arm=arm or name_of("attack", attack),
            seed=self.experiment.seed,
            round=round_,
            attacked=self._outcome(self._measured(result, team), twin),
            honest=self._outcome(twin, twin),
            absent=None if absent is None else self._outcome(self._measured(absent, team), twin),
            acted=bool(acting),
            reason="" if acting else next((str(c.attack.reason) for c in malicious if c.attack), "not in the cohort"),
            announced=sum(client.attack.alpha for client in malicious if client.attack is not None),
            effective_weight=weight,
            applied=not _same(result, without) if weight is None else weight != 0,
            rejected_by=self.rejected_by(record),
            flagged_by=tuple(sorted(flagged)),
            log=dict(acting[0].attack.log) if acting and acting[0].attack is not None else {},
            destroyed=record.destroyed,
            skipped=record.skipped or "",
            seconds=seconds,
        )

    def under_rule(self, rule: Rule, round_: int) -> RoundResult:
        """Play a round with everybody honest, no check, and this rule in place of the chain."""
        alone = self.experiment.twin().model_copy(update={"aggregation": rule, "checks": ()})
        return self._played(alone, self._state(round_))

    def outcome(self, result: RoundResult, round_: int) -> Outcome:
        """Return what the goal says of a round's model, beside that of the same round with everybody honest.

        Of what attackers train, as some triggers, it knows nothing.
        """
        return self._outcome(self._measured(result, {}), self._measured(self.honest(round_), {}))

    @property
    def rejecting(self) -> frozenset[str]:
        """The names of what rejects updates: checks and filters of the chain, those that do not only observe."""
        checks = {name for name, check in self.experiment.detectors.items() if check.action == "reject"}
        filters = self.experiment.server.filters.items()
        return frozenset(checks | {n for n, link in filters if getattr(as_stage(link), "action", "reject") == "reject"})

    def rejected_by(self, record: RoundRecord) -> tuple[str, ...]:
        """Return by what malicious clients were rejected, or that it was on ``reception``, in alphabetical order."""
        malicious = record.malicious_clients
        flagged = {name for client in malicious for name, check in client.checks.items() if check.flagged}
        malformed = {"reception"} if any(client.malformed for client in malicious) else set()
        return tuple(sorted((flagged & self.rejecting) | malformed))

    @property
    def memory(self) -> int:
        """For how many rounds attackers remember."""
        assert self.experiment.attack is not None
        return self.experiment.attack.memory

    @property
    def layout(self) -> Layout:
        """What each of the d entries of the weights is."""
        return self._federation.layout

    def _state(self, round_: int) -> FederationState:
        if round_ not in self.twin.states:
            raise ConfigError(f"round {round_}: not one that can be attacked; {list(self.rounds)} are")
        return self.twin.states[round_]

    def _without(self, round_: int, *, absent: bool) -> RoundResult | None:
        """Play a round without attack, once."""
        if (round_, absent) not in self._benign:
            result, alone = None, self.experiment.without_attacker() if absent else self.experiment.twin()
            if not absent or alone.enough_updates:
                benign = alone.model_copy(update={"checks": self.experiment.checks})
                result = self._played(benign, self._state(round_))
            self._benign[round_, absent] = result
        return self._benign[round_, absent]

    def _played(self, experiment: Experiment, state: FederationState) -> RoundResult:
        """Play the round after `state` of an experiment that has the same honest clients."""
        federation = replace(self._federation, setting=replace(self.setting, experiment=experiment))
        with one_thread():
            return federation.play(state)

    def _measured(self, result: RoundResult, team: Mapping[str, Tensor]) -> ControlRecord:
        """Return a model's answers to what the goal asks, with what the `team` has trained by then."""
        record, goal = result.record, self.setting.goal
        backdoor = record.backdoor
        if goal is not None and goal.trains:
            shared = self._federation.shared
            shared.models[GLOBAL] = result.state.weights
            with one_thread():
                backdoor = measured(
                    self.setting, self._federation.engine, shared, record.round, result.log_probabilities, team=team
                )
        return ControlRecord(record.quality, record.target, backdoor)

    def _outcome(self, model: ControlRecord, twin: ControlRecord) -> Outcome:
        """Return what the goal says of a model, beside the honest round's."""
        accuracy, error = model.quality.accuracy, error_of(model.quality)
        if model.target is not None:
            return Outcome(model.target.mean_confidence, model.target.success, accuracy, error)
        assert self.setting.goal is not None
        value = error - error_of(twin.quality) if model.backdoor is None else model.backdoor.rate
        return Outcome(value, judged(self.setting.goal, model, twin) is True, accuracy, error)


def error_of(quality: Quality) -> float:
    """Return a model's error: 1 less its accuracy, or of a regression its normalised MAE; infinite where it is none."""
    if quality.accuracy is not None:
        return 1 - quality.accuracy
    error = quality.metrics.get("nmae")
    return inf if error is None else error


def _same(result: RoundResult, other: RoundResult) -> bool:
    """Tell whether two rounds left the same model, to the bit."""
    return torch.equal(result.state.weights, other.state.weights)
