"""Stage 0 of an audit: what one can tell of a server before any attack.

Whether it draws random numbers, whether it remembers, how it answers to one team's updates of any length, whether these
have any effect at all, how often its checks reject honest clients, and what it costs in accuracy against a plain mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from fedlens.core.custom import is_custom
from fedlens.core.errors import ClientError
from fedlens.core.lazy import torch
from fedlens.core.random import Address, seeded
from fedlens.defences.adapters import as_stage
from fedlens.defences.detector import Detector, Inspection, Validation
from fedlens.defences.mean import Mean
from fedlens.experiment.experiment import Experiment
from fedlens.simulation.combining import names_of
from fedlens.simulation.runtime import Runtime
from fedlens.studies.audit.forks import HERE, Forks, error_of, forks_of
from fedlens.studies.audit.probing import Form, Probe

if TYPE_CHECKING:
    from fedlens.runs.record import RoundRecord

SCALES = tuple(10.0**power for power in range(-3, 8))
"""What one team's updates are multiplied by, from a thousandth to ten million."""

PROBES: tuple[Probe, ...] = (
    *(Probe(scale=scale) for scale in SCALES),
    Probe(form="opposite"),
    Probe(form="others"),
    Probe(scale=0),
)


PLENTY = 1000
"""More updates than any filter needs to judge at all."""

OTHERS = (1, 2, 3)
"""Roots of other addresses, at which random draws may begin."""


@dataclass(frozen=True)
class Response:
    """How the server answers to one probe in one round.

    Attributes:
        form: what is sent: the team's ``own`` honest updates, their ``opposite``, or the mean of all ``others``.
        scale: what that is multiplied by.
        round: number of the round.
        effective_weight: the team's in the end; ``None`` if the rule cannot tell.
        displacement: how far the model ends from where the honest round does, as a multiple of how far that goes; 0 if
            it is the same to the bit, ``None`` where the honest round does not move, or the model is not finite.
        rejected_by: what rejected a member.
        error: how the server failed, which leaves the rest unknown; empty if it did not.
    """

    form: Form
    scale: float
    round: int
    effective_weight: float | None
    displacement: float | None
    rejected_by: tuple[str, ...]
    error: str = ""


@dataclass(frozen=True)
class Inspected:
    """What one can tell of a server before any attack.

    Attributes:
        random: what draws random numbers that change its result: ``chain``, or a check's name.
        stateful: the stages that keep something from round to round.
        responses: how it answers to the probes.
        deaf: whether none of them changed the model by a bit.
        false_alarms: the share of the twin's rounds in which an honest client was rejected, by what rejects.
        accuracy: the twin's in the end; ``None`` of a regression.
        mean_accuracy: that of the twin under a plain mean without checks.
        lost: the twin's error less that one's, with accuracies their difference.
        constant: the filters that drop a fixed number of updates, which is why they reject in every round.
    """

    random: tuple[str, ...]
    stateful: tuple[str, ...]
    responses: tuple[Response, ...]
    deaf: bool
    false_alarms: Mapping[str, float]
    accuracy: float | None
    mean_accuracy: float | None
    lost: float
    constant: tuple[str, ...] = ()

    @property
    def deterministic(self) -> bool:
        """Whether nothing draws random numbers that change its result."""
        return not self.random


def inspect(forks: Forks, runtime: Runtime = HERE) -> Inspected:
    """Inspect the server of the forks' experiment.

    Args:
        forks: of the benign twin under that server.
        runtime: the engine, device and data for the twin under a plain mean, as for the forks.

    Raises:
        FedlensError: a round cannot be played.
    """
    own, plain = forks.twin.records[-1].quality, plain_twin(forks.experiment, runtime)[-1].quality
    responses = tuple(response for round_ in forks.rounds for response in responses_in(forks, round_))
    return Inspected(
        random=tuple(drawing_in(forks)),
        stateful=tuple(keeping_in(forks)),
        responses=responses,
        deaf=is_deaf(responses),
        false_alarms=false_alarms(forks),
        accuracy=own.accuracy,
        mean_accuracy=plain.accuracy,
        lost=error_of(own) - error_of(plain),
        constant=tuple(dropping_so_many(forks.experiment)),
    )


def plain_twin(experiment: Experiment, runtime: Runtime = HERE) -> Sequence[RoundRecord]:
    """Play the benign twin under a plain mean without checks; return its rounds."""
    plain = experiment.model_copy(update={"aggregation": Mean(), "checks": ()})
    with forks_of(plain, runtime, memory=0, rounds=[1]) as forks:
        return forks.twin.records


def responses_in(forks: Forks, round_: int, probes: Sequence[Probe] = PROBES) -> Iterator[Response]:
    """Yield how the server answers to each probe in a round, also where it fails by that."""
    before, honest = forks.twin.states[round_].weights.double(), forks.honest(round_).state.weights.double()
    step = float((honest - before).norm())
    for probe in probes:
        try:
            result = forks.play(probe, round_)
        except ClientError as error:  # as where a rule refuses what is too long
            yield Response(probe.form, probe.scale, round_, None, None, (), str(error).splitlines()[0])
            continue
        record, away = result.record, float((result.state.weights.double() - honest).norm())
        yield Response(
            form=probe.form,
            scale=probe.scale,
            round=round_,
            effective_weight=0.0 if record.skipped is not None else record.malicious_weight,
            displacement=0.0 if away == 0 else away / step if step > 0 and isfinite(away) else None,
            rejected_by=forks.rejected_by(record),
        )


def is_deaf(responses: Sequence[Response]) -> bool:
    """Tell whether no probe changed the model by a bit."""
    return all(response.displacement == 0 for response in responses)


def drawing_in(forks: Forks) -> Iterator[str]:
    """Yield what gives another result where random draws begin elsewhere: ``chain``, or the name of a check.

    Only a check of the user's own can draw. One that validates is shown made-up accuracies.
    """
    elsewhere = [forks.drawing(Address.root(other)) for other in OTHERS]
    models = ((forks.honest(round_), other.honest(round_)) for round_ in forks.rounds for other in elsewhere)
    if any(not torch.equal(own.state.weights, drawn.state.weights) for own, drawn in models):
        yield "chain"
    round_ = forks.rounds[0]
    for name, check in forks.experiment.detectors.items():
        if is_custom(check) and len({_flags(check, forks, round_, Address.root(other)) for other in OTHERS}) > 1:
            yield name


def _flags(check: Detector, forks: Forks, round_: int, address: Address) -> tuple[float, ...]:
    """Return a check's scores and decisions on a round's honest updates, drawing at `address`."""
    layout = forks.layout if check.sees_buffers else forks.layout.parameters
    rows = torch.stack(list(forks.updates(round_).values()))[:, : layout.size]
    alpha = torch.full((len(rows),), 1 / len(rows), dtype=torch.float64, device=rows.device)
    made_up = Validation(alpha.clone(), alpha.clone()) if check.validates else None
    weights = forks.twin.states[round_].weights[: layout.size].clone()
    with seeded(address):
        verdict = check.inspect(Inspection(round_, weights, rows, alpha, layout, made_up))
    return (*verdict.scores.tolist(), *map(float, verdict.flagged.tolist()))


def keeping_in(forks: Forks) -> Iterator[str]:
    """Yield the stages of the chain that keep something after an honest round, by their positions and names."""
    kept = forks.honest(forks.rounds[-1]).state.stages
    for name in names_of(forks.experiment.chain):
        if name in kept and (kept[name].tensors or kept[name].clients):
            yield name


def dropping_so_many(experiment: Experiment) -> Iterator[str]:
    """Yield the filters that drop a fixed number of updates: of any number, they need more than are to be left."""
    for name, link in experiment.server.filters.items():
        if as_stage(link).needed(PLENTY) > PLENTY:
            yield name


def false_alarms(forks: Forks) -> dict[str, float]:
    """Return the share of the twin's rounds, in which all are honest, with a rejection, by what rejects."""
    records = forks.twin.records
    return {
        name: sum(any(name in c.checks and c.checks[name].flagged for c in record.clients) for record in records)
        / len(records)
        for name in sorted(forks.rejecting)
    }
