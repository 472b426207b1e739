"""The federation: one round from top to bottom.

Bhagoji et al. (ICML 2019), section 2, after McMahan et al. (AISTATS 2017): choose a cohort, train locally, aggregate,
evaluate.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import torch
from torch import Tensor

from fedlens.aggregation.rule import Aggregate, Received
from fedlens.attacks.attack import Observation
from fedlens.errors import ClientError
from fedlens.federation.bench import GLOBAL, MALICIOUS, Arena, Bench, EvaluationJob, HonestJob, Job, MaliciousJob
from fedlens.federation.engines import Engine
from fedlens.federation.evaluate import BLOCK, quality, success
from fedlens.federation.record import RoundRecord, RoundResult
from fedlens.federation.setting import Setting
from fedlens.federation.state import FederationState
from fedlens.vector import Layout

Progress = Callable[[int, int], None]
"""Called with the number of clients done and to do in the round."""


def federate(
    setting: Setting, engine: Engine, state: FederationState | None = None, progress: Progress | None = None
) -> Iterator[RoundResult]:
    """Play the rounds that are left, from `state` or from the beginning.

    Raises:
        ClientError: a client's job failed; the rounds before have been yielded.
    """
    experiment = setting.experiment
    with one_thread():
        federation, start = Federation.set_up(setting, engine, progress or (lambda *_: None))
        state = start if state is None else state.to(setting.device)
    accuracy = None
    while not experiment.is_over(state.round, accuracy):
        with one_thread():
            result = federation.play(state)
        yield result
        state, accuracy = result.state, result.record.quality.accuracy


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, so that every sum is formed in the same order wherever it is formed."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Federation:
    """A setting whose engine has been started; it plays rounds and keeps nothing between them."""

    setting: Setting
    engine: Engine
    arena: Arena
    layout: Layout
    progress: Progress

    @classmethod
    def set_up(cls, setting: Setting, engine: Engine, progress: Progress) -> tuple["Federation", FederationState]:
        """The federation before its first round, and its initial state."""
        network = setting.network()
        weights = network.vector.detach().clone()

        def allocate(*shape: int) -> Tensor:
            return engine.allocate(shape, weights.dtype, setting.device)

        arena = Arena(
            models=allocate(2, len(weights)),
            updates=allocate(setting.experiment.cohort_size, len(weights)),
            log_probabilities=allocate(2, len(setting.dataset.test), len(setting.dataset.classes)),
        )
        engine.start(Bench(setting.dataset, setting.shards, network, setting.experiment.local, setting.root, arena))
        return cls(setting, engine, arena, network.layout, progress), FederationState(0, weights)

    def play(self, state: FederationState) -> RoundResult:
        """The round after `state`."""
        began = time.perf_counter()
        round_ = state.round + 1
        cohort = self.setting.cohort(round_)
        alpha = self.setting.alpha(cohort)
        self.arena.models[GLOBAL] = state.weights
        log = self._train(round_, cohort, alpha, state)

        trained = time.perf_counter()
        aggregate = self._aggregate(round_, alpha, state)
        after = FederationState(round_, state.weights + aggregate.update, state.history, aggregate.state)
        self.arena.models[GLOBAL] = after.weights
        if log is not None:
            row = cohort.index(self.setting.experiment.malicious)
            self.arena.models[MALICIOUS] = state.weights + self.arena.updates[row]
            sent = self.arena.updates[row].clone()
            after = self._remember(after, Observation(round_, float(alpha[row]), state.weights, sent))

        aggregated = time.perf_counter()
        record = self._evaluate(round_, cohort, aggregate, log)
        return RoundResult(
            record=record,
            state=after,
            log_probabilities=self.arena.log_probabilities[GLOBAL].clone(),
            seconds={
                "training": trained - began,
                "aggregation": aggregated - trained,
                "evaluation": time.perf_counter() - aggregated,
            },
        )

    def _train(self, round_: int, cohort: list[int], alpha: Tensor, state: FederationState) -> dict[str, Any] | None:
        """Fill the arena's updates; what the attack logged, or ``None`` where the malicious client was not chosen."""
        experiment, sizes = self.setting.experiment, self.setting.shards.sizes
        malicious = experiment.malicious if experiment.attack is not None else None
        honest: list[Job] = [
            HonestJob(round_, client, row, cost=experiment.local.steps_for(int(sizes[client])))
            for row, client in enumerate(cohort)
            if client != malicious
        ]
        if experiment.attack is None or malicious not in cohort:
            self._run_counted([honest])
            return None
        assert self.setting.auxiliary is not None, "an attack needs its target"
        row = cohort.index(malicious)
        attack = MaliciousJob(
            round_, malicious, row, inf, experiment.attack, float(alpha[row]), self.setting.auxiliary, state.history
        )
        stages: list[list[Job]] = [honest, [attack]] if attack.attack.omniscient else [[attack, *honest]]
        return next(log for job, log in self._run_counted(stages) if job is attack)

    def _run_counted(self, stages: Sequence[Sequence[Job]]) -> list[tuple[Job, dict[str, Any]]]:
        """Run one stage of jobs after the other, telling how many are done."""
        done, total = 0, sum(map(len, stages))

        def count() -> None:
            nonlocal done
            done += 1
            self.progress(done, total)

        self.progress(done, total)
        return [pair for jobs in stages for pair in zip(jobs, self.engine.run(jobs, count), strict=True)]

    def _aggregate(self, round_: int, alpha: Tensor, state: FederationState) -> Aggregate:
        experiment = self.setting.experiment
        address = self.setting.root.at("aggregation", round_)
        received = Received(self.arena.updates, alpha, self.layout, address, state.rule)
        name = type(experiment.aggregation).__name__
        try:
            aggregate = experiment.aggregation.aggregate(received)
        except Exception as error:
            raise ClientError(f"rule {name} failed in round {round_}: {type(error).__name__}: {error}") from error
        if aggregate.update.shape != state.weights.shape or not bool(torch.isfinite(aggregate.update).all()):
            raise ClientError(f"rule {name} gave no finite update of {self.layout.size} entries in round {round_}")
        return aggregate

    def _remember(self, state: FederationState, seen: Observation) -> FederationState:
        """`state` with what the malicious client has seen, as far back as its attack remembers."""
        attack = self.setting.experiment.attack
        kept = attack.remembers if attack is not None else 0
        return replace(state, history=(*state.history, seen)[-kept:] if kept else ())

    def _evaluate(
        self, round_: int, cohort: list[int], aggregate: Aggregate, log: dict[str, Any] | None
    ) -> RoundRecord:
        """Evaluate the global model and, where the malicious client took part, its own."""
        labels, auxiliary = self.setting.dataset.test.y, self.setting.auxiliary
        models = [GLOBAL] if log is None else [GLOBAL, MALICIOUS]
        self.engine.run(
            [
                EvaluationJob(round_, model, start, min(start + BLOCK, len(labels)))
                for model in models
                for start in range(0, len(labels), BLOCK)
            ],
            done=lambda: None,
        )
        qualities = [quality(self.arena.log_probabilities[model], labels) for model in models]
        predictions = self.arena.log_probabilities[GLOBAL]
        return RoundRecord(
            round=round_,
            cohort=cohort,
            attacker=log is not None,
            shares=None if aggregate.shares is None else aggregate.shares.tolist(),
            quality=qualities[GLOBAL],
            target=None if auxiliary is None else success(predictions, auxiliary),
            malicious=None if log is None else qualities[MALICIOUS],
            attack=log,
        )
