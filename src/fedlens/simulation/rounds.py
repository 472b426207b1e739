"""The federation: a round from start to end.

Bhagoji et al. (ICML 2019), section 2, after McMahan et al. (AISTATS 2017): choose a cohort, train locally, aggregate,
evaluate.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from fedlens.attacks.estimation import Observation
from fedlens.core.custom import is_custom
from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.core.threads import one_thread
from fedlens.defences.stage import Server, Updates
from fedlens.experiment.setting import Setting
from fedlens.goals.answers import BackdoorRecord
from fedlens.goals.success import success
from fedlens.kernels.weighted_sums import weighted_sum
from fedlens.models.evaluation import Quality, quality, stretches
from fedlens.models.metrics import measure
from fedlens.models.network import Network
from fedlens.runs.record import ClientRecord, RoundRecord
from fedlens.runs.round_result import RoundResult
from fedlens.runs.state import FederationState
from fedlens.simulation import client_buffers, client_momentum
from fedlens.simulation.allocation import shared_tensors
from fedlens.simulation.attacking import (
    attack_record,
    attacked,
    counts,
    estimate_error,
    malicious_update,
    remembered,
    training_stages,
    weighted_step,
)
from fedlens.simulation.backdoors import measured
from fedlens.simulation.client_buffers import ClientBuffers, is_honest
from fedlens.simulation.client_momentum import ClientMomentum
from fedlens.simulation.combining import Combined, combine
from fedlens.simulation.engines import Engine
from fedlens.simulation.engines.context import GLOBAL, MALICIOUS, Job, SharedTensors, WorkerContext
from fedlens.simulation.engines.jobs import EvaluationJob, RootJob
from fedlens.simulation.forward_passes import forward_of
from fedlens.simulation.receiving import Reception, negative_variances, receive
from fedlens.simulation.recording import Recording, record_updates
from fedlens.simulation.screening import Screening, screen

Progress = Callable[[int, int], None]
"""Called with the number of clients done and to do in the round."""


def federate(
    setting: Setting,
    engine: Engine,
    state: FederationState | None = None,
    progress: Progress | None = None,
) -> Iterator[RoundResult]:
    """Play the rounds left, from `state` or from the beginning; a round that destroys the model is the last.

    Args:
        setting: the prepared experiment.
        engine: does the work.
        state: the state to continue from.
        progress: called with the progress of a round's training.

    Raises:
        ClientError: a client's job failed; earlier rounds have been yielded.
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
        if result.record.destroyed:
            return
        state, accuracy = result.state, result.record.quality.accuracy


@dataclass(frozen=True)
class Federation:
    """A setting with a started engine, which plays rounds and has no state between them."""

    setting: Setting
    engine: Engine
    shared: SharedTensors
    layout: Layout
    first: Tensor
    progress: Progress
    network: Network | None = None
    """One to ask, where a stage of the chain needs that."""
    draws: Address | None = None
    """Where the chain's random draws begin; ``None`` for the experiment's own."""

    @classmethod
    def set_up(cls, setting: Setting, engine: Engine, progress: Progress) -> tuple["Federation", FederationState]:
        """Start the engine; return the federation and its initial state."""
        network = setting.network()
        weights = network.state()
        shared = shared_tensors(setting, engine, weights, setting.experiment.cohort_size)
        local, checks = setting.local, setting.experiment.detectors
        validation, custom = setting.validation, is_custom(setting.experiment.model)
        context = WorkerContext(
            setting.dataset, setting.shards, network, local, setting.root, shared, validation, checks, custom,
            timeout=setting.timeout, root_samples=setting.root_samples, goal=setting.goal,
        )  # fmt: skip
        engine.start(context)
        asked = network if setting.experiment.server.needs_model else None
        return cls(setting, engine, shared, network.layout, weights, progress, asked), FederationState(0, weights)

    def play(self, state: FederationState) -> RoundResult:
        """Play the round after `state`."""
        began, round_, experiment = time.perf_counter(), state.round + 1, self.setting.experiment
        cohort = self.setting.cohort(round_)
        alpha, announced = self.setting.alpha(cohort, round_), self.setting.announced(round_, cohort)
        self.shared.models[GLOBAL] = state.weights
        momentum, buffers = self._momentum(state), self._buffers(state)
        stages = training_stages(self.setting, round_, cohort, announced, state, buffers=buffers)
        results = self._run_counted(stages, momentum, buffers)
        attack = attacked(results, state)
        if rows := list(attack.logs):
            update = malicious_update(self.shared.updates, alpha, rows)
            self.shared.models[MALICIOUS] = buffers.added(state.weights, update, _owners(cohort, alpha, rows))
        observed = {
            cohort[row]: Observation(
                round_, float(announced[row]), state.weights, self.shared.updates[row].clone(), log
            )
            for row, log in attack.logs.items()
        }
        history = remembered(experiment.attack, state.history, observed)
        received = receive(self.shared.updates[: len(cohort)], alpha)
        negative = negative_variances(received.updates, state.weights, self.layout)
        logs = self._with_errors(attack.logs, alpha[received.rows], received, cohort, state)

        trained = time.perf_counter()
        screening = screen(experiment.detectors, round_, tuple(received.alpha.tolist()), self.engine)
        attackers = tuple(place for place, row in enumerate(received.rows) if row in logs and logs[row]["acted"])
        apart = attackers if len(attackers) > 1 and "distances" in experiment.recorded else ()
        recording = record_updates(experiment.unchecked, round_, len(received.rows), self.engine, apart)

        screened = time.perf_counter()
        address = (self.draws or self.setting.root).at("aggregation", round_)
        senders = tuple(cohort[row] for row in received.rows)
        forward = None if self.network is None else forward_of(self.network, state.weights, self.setting.dataset.shape)
        server = Server(round_, state.weights, self.layout, senders, address, _root_update(results), forward=forward)
        averaged = self._averaged(state, received, buffers, cohort, alpha)  # before the chain writes into the updates
        server, updates = buffers.sent(server, Updates(received.updates, received.alpha, None))
        combined = combine(
            experiment.chain, updates, screening.accepted, server, state.stages, timeout=self.setting.timeout
        )
        honest = [row for row in range(len(cohort)) if is_honest(experiment.attack, attack.logs.get(row))]
        weights = buffers.added(state.weights, combined.update, _owners(cohort, alpha, honest))
        kept = dict(combined.states) | momentum.kept() | buffers.kept()
        after = FederationState(round_, weights, history, kept, attack.state)
        self.shared.models[GLOBAL] = after.weights

        aggregated = time.perf_counter()
        qualities = self._evaluate(round_, [GLOBAL, MALICIOUS] if logs else [GLOBAL])
        asked = measure(experiment.metrics, self.shared.log_probabilities[GLOBAL], self.setting.dataset.test.y)
        predictions, target_samples = self.shared.log_probabilities[GLOBAL].clone(), self.setting.auxiliary
        clients = _clients(cohort, received.rows, screening, recording, combined)
        for row, count in zip(received.rows, negative, strict=True):
            clients[row] = replace(clients[row], negative_variances=count)
        clients = [replace(client, work=self.setting.work(client.client, round_)) for client in clients]
        for row, log in logs.items():
            clients[row] = replace(clients[row], attack=attack_record(log), model=qualities[MALICIOUS])
        record = RoundRecord(
            round=round_,
            clients=clients,
            failed=self.setting.failed(round_),
            skipped=combined.skipped,
            clipping=dict(combined.clipping),
            quality=replace(qualities[GLOBAL], metrics=qualities[GLOBAL].metrics | asked),
            target=None if target_samples is None else success(predictions, target_samples),
            backdoor=self._backdoor(round_, predictions, attack.state),
            destroyed=self._is_destroyed(state, after, predictions),
            mean_accuracy=None if averaged is None else self._accuracy(round_, averaged),
        )
        seconds = {
            "training": trained - began,
            "checks": screened - trained,
            "aggregation": aggregated - screened,
            "evaluation": time.perf_counter() - aggregated,
        }
        return RoundResult(record, after, predictions, seconds, screening.tables | recording.tables)

    def _averaged(
        self,
        state: FederationState,
        received: Reception,
        buffers: ClientBuffers,
        cohort: Sequence[int],
        alpha: Tensor,
    ) -> Tensor | None:
        """Return the model that a plain mean would make of the first or last round without attack, or ``None``.

        Of the first, it is the model of a federation under the mean; later, clients began with this server's.
        """
        experiment = self.setting.experiment
        if experiment.attack is not None or experiment.only_averages or 0 < state.round < experiment.rounds - 1:
            return None
        mean = weighted_sum(received.alpha.double(), received.updates)
        return buffers.added(state.weights, mean, _owners(cohort, alpha, range(len(cohort))))

    def _accuracy(self, round_: int, weights: Tensor) -> float | None:
        """Return the test accuracy of a model with these weights, shape ``[d]``; ``None`` of a regression."""
        own = self.shared.models[GLOBAL].clone()
        self.shared.models[GLOBAL] = weights
        [measured] = self._evaluate(round_, [GLOBAL])
        self.shared.models[GLOBAL] = own
        return measured.accuracy

    def _momentum(self, state: FederationState) -> ClientMomentum:
        """Return the clients' momenta before the round after `state`."""
        beta, kept = self.setting.experiment.local.client_momentum, state.stages.get(client_momentum.KEY)
        return ClientMomentum(beta, kept, self.layout.parameters.size)

    def _buffers(self, state: FederationState) -> ClientBuffers:
        """Return the clients' own buffers before the round after `state`."""
        own, kept = self.setting.experiment.local.buffers == "local", state.stages.get(client_buffers.KEY)
        return ClientBuffers(own, self.first[self.layout.parameters.size :].clone(), self.layout.buffers, kept)

    def _run_counted(
        self, stages: Sequence[Sequence[Job]], momentum: ClientMomentum, buffers: ClientBuffers
    ) -> list[tuple[Job, dict[str, Any]]]:
        """Run one stage of jobs after the other, each seeing what the one before has sent, and report progress."""
        done, total = 0, sum(counts(job) for jobs in stages for job in jobs)

        def count(job: Job) -> None:
            nonlocal done
            done += counts(job)
            self.progress(done, total)

        self.progress(done, total)
        results: list[tuple[Job, dict[str, Any]]] = []
        for jobs in stages:
            ran = list(zip(jobs, self.engine.run(jobs, count), strict=True))
            momentum.apply(ran, self.shared)
            buffers.apply(ran, self.shared)
            results += ran
        return results

    def _with_errors(
        self,
        logs: dict[int, dict[str, Any]],
        alpha: Tensor,
        received: Reception,
        cohort: list[int],
        state: FederationState,
    ) -> dict[int, dict[str, Any]]:
        """Add the errors of estimates to the logs of those that attacked, who do not learn them."""
        attack, team = self.setting.experiment.attack, self.setting.experiment.team
        if attack is None or not attack.estimates:
            return logs
        step = weighted_step(received.updates, alpha, [cohort[row] not in team for row in received.rows])
        with_errors = {}
        for row, log in logs.items():
            past = state.history.get(cohort[row], ())
            error = {}
            if log["acted"] and past:
                error = estimate_error(past[-1], step[: self.layout.parameters.size], state)
            with_errors[row] = log | error
        return with_errors

    def _backdoor(self, round_: int, predictions: Tensor, team: Mapping[str, Tensor]) -> BackdoorRecord | None:
        """Ask the global model what the goal asks, if anything, with what the `team` has trained."""
        if self.shared.answers is None:
            return None
        return measured(self.setting, self.engine, self.shared, round_, predictions, team=team)

    def _is_destroyed(self, before: FederationState, after: FederationState, predictions: Tensor) -> bool:
        """Tell whether the round destroyed the model: its weights are not finite, or its answers have become NaN.

        Answers (`predictions`) that were NaN before the round do not count.
        """
        if not bool(after.weights.isfinite().all()):
            return True
        if not bool(predictions.isnan().any()):
            return False
        self.shared.models[GLOBAL] = before.weights
        self._evaluate(after.round, [GLOBAL])
        return not bool(self.shared.log_probabilities[GLOBAL].isnan().any())

    def _evaluate(self, round_: int, models: list[int]) -> list[Quality]:
        """Measure these models on the test set; leave their predictions in the shared tensors."""
        labels = self.setting.dataset.test.y
        parts = stretches(len(labels), self.engine.workers)
        jobs = [EvaluationJob(round_, model, start, stop) for model in models for start, stop in parts]
        self.engine.run(jobs, lambda _: None)
        quantity = self.setting.dataset.quantity
        return [quality(self.shared.log_probabilities[model], labels, quantity) for model in models]


def _owners(cohort: Sequence[int], alpha: Tensor, rows: Iterable[int]) -> dict[int, float]:
    """Return the weights α of the clients in these rows of the cohort, by their numbers."""
    return {cohort[row]: float(alpha[row]) for row in rows}


def _clients(
    cohort: list[int], rows: list[int], screening: Screening, recording: Recording, combined: Combined
) -> list[ClientRecord]:
    """Return what became of each of the cohort's clients; `rows` are those whose updates were received."""
    accepted = {rows[row] for row in screening.accepted if row not in combined.dropped}
    weights = None if combined.shares is None else dict(zip(rows, combined.shares, strict=True))
    both = zip(screening.of_each, combined.checks, strict=True)
    checks = dict(zip(rows, [inspected | chained for inspected, chained in both], strict=True))
    measured = dict(zip(rows, recording.of_each, strict=True))
    return [
        ClientRecord(
            client,
            effective_weight=None if weights is None else weights.get(row, 0.0),
            rejected=row not in accepted,
            malformed=row not in checks,
            checks=checks.get(row, {}),
            measured=measured.get(row, {}),
        )
        for row, client in enumerate(cohort)
    ]


def _root_update(ran: Sequence[tuple[Job, dict[str, Any]]]) -> Tensor | None:
    """Return the update that the server has trained, if it was among the jobs."""
    return next((result["update"] for job, result in ran if isinstance(job, RootJob)), None)
