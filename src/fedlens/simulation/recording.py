"""What is recorded of a round's updates because the experiment says so, where no check measures it anyway."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fedlens.defences.distance_ranges import benign_ranges, measure_distances, plain_ranges
from fedlens.defences.update_statistics import measure_histograms, measure_norms
from fedlens.experiment.measures import AMONG_BENIGN, RECORDING, TO_BENIGN, Kind
from fedlens.simulation.engines import Engine
from fedlens.simulation.engines.context import SharedTensors, WorkerContext

Columns = dict[str, list[float] | list[list[float]]]
"""Numbers by name, an entry for each update."""


@dataclass(frozen=True)
class Recording:
    """What was measured of a round's updates.

    Attributes:
        of_each: numbers by name, for each update.
        tables: tensors that are too large for the record, by ``recording.table``.
    """

    of_each: list[dict[str, float | list[float]]]
    tables: dict[str, Tensor] = field(default_factory=dict)


def record_updates(
    kinds: Sequence[Kind], round_: int, count: int, engine: Engine, attackers: tuple[int, ...] = ()
) -> Recording:
    """Measure the first `count` shared updates, which are those that were received.

    Args:
        kinds: what to measure.
        round_: number of the round.
        count: how many updates there are.
        engine: its workers measure, one kind each.
        attackers: rows of several attackers, whose distances are measured apart; no check can know them.

    Raises:
        ClientError: it took too long.
    """
    jobs = [RecordingJob(round_, kind, count) for kind in kinds] if count else []
    if attackers:
        jobs.append(RecordingJob(round_, "distances", count, attackers))
    results = engine.run(jobs, lambda _: None) if jobs else []
    columns = {name: column for result in results for name, column in result["columns"].items()}
    tables = {f"{RECORDING}.{name}": table for result in results for name, table in result["tables"].items()}
    of_each: list[dict[str, Any]] = [{name: column[row] for name, column in columns.items()} for row in range(count)]
    for result in results:
        for row, numbers in result["of_attackers"].items():
            of_each[row] |= numbers
    return Recording(of_each, tables)


@dataclass(frozen=True)
class RecordingJob:
    """A look at all updates of a round, which measures one kind of numbers, or how far `attackers` are from others."""

    round: int
    kind: Kind
    count: int
    attackers: tuple[int, ...] = ()
    cost: float = 2
    reads = None

    @property
    def name(self) -> str:
        """The job's name for error messages."""
        return f"recording of {self.kind} in round {self.round}"

    def fills(self, shared: SharedTensors) -> list[Tensor]:  # noqa: ARG002
        """Return views of the shared tensors that it fills: none."""
        return []

    def run(self, context: WorkerContext) -> dict[str, Any]:
        """Return the numbers as columns, the tables, and those that only attackers have, by row."""
        updates = context.shared.updates[: self.count, : context.network.layout.parameters.size]
        if self.attackers:
            return {"columns": {}, "tables": {}, "of_attackers": _from_benign(updates, self.attackers)}
        columns, tables = MEASURE[self.kind](updates)
        return {"columns": columns, "tables": tables, "of_attackers": {}}


def _norms(updates: Tensor) -> tuple[Columns, dict[str, Tensor]]:
    return {name: values.tolist() for name, values in measure_norms(updates)._asdict().items()}, {}


def _distances(updates: Tensor) -> tuple[Columns, dict[str, Tensor]]:
    own, others = measure_distances(updates)
    return {"range": plain_ranges(own), "others": plain_ranges(others)}, {}


def _from_benign(updates: Tensor, attackers: tuple[int, ...]) -> dict[int, dict[str, list[float]]]:
    """Return the range of each attacker's distances from benign updates, and the range among the benign ones."""
    [among, *own] = plain_ranges(benign_ranges(updates, attackers))
    return {row: {TO_BENIGN: to, AMONG_BENIGN: among} for row, to in zip(attackers, own, strict=True)}


def _histograms(updates: Tensor) -> tuple[Columns, dict[str, Tensor]]:
    histograms = measure_histograms(updates)
    return {"wasserstein": histograms.wasserstein.tolist()}, {"histogram": histograms.counts.to(torch.int32)}


MEASURE: Mapping[Kind, Callable[[Tensor], tuple[Columns, dict[str, Tensor]]]] = {
    "norms": _norms,
    "distances": _distances,
    "histograms": _histograms,
}
