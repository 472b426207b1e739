"""What is recorded of a round's updates because the experiment says so, where no check measures it anyway."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fedlens.defences.distance_ranges import measure_distances, plain_ranges
from fedlens.defences.update_statistics import measure_histograms, measure_norms
from fedlens.experiment.measures import RECORDING, Kind
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


def record_updates(kinds: Sequence[Kind], round_: int, count: int, engine: Engine) -> Recording:
    """Measure the first `count` shared updates, which are those that were received.

    Args:
        kinds: what to measure.
        round_: number of the round.
        count: how many updates there are.
        engine: its workers measure, one kind each.

    Raises:
        ClientError: it took too long.
    """
    jobs = [RecordingJob(round_, kind, count) for kind in kinds] if count else []
    results = engine.run(jobs, lambda _: None) if jobs else []
    columns = {name: column for result in results for name, column in result["columns"].items()}
    tables = {f"{RECORDING}.{name}": table for result in results for name, table in result["tables"].items()}
    return Recording([{name: column[row] for name, column in columns.items()} for row in range(count)], tables)


@dataclass(frozen=True)
class RecordingJob:
    """A look at all updates of a round, which measures one kind of numbers."""

    round: int
    kind: Kind
    count: int
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
        """Return the numbers as columns, and the tables."""
        columns, tables = MEASURE[self.kind](context.shared.updates[: self.count])
        return {"columns": columns, "tables": tables}


def _norms(updates: Tensor) -> tuple[Columns, dict[str, Tensor]]:
    return {name: values.tolist() for name, values in measure_norms(updates)._asdict().items()}, {}


def _distances(updates: Tensor) -> tuple[Columns, dict[str, Tensor]]:
    own, others = measure_distances(updates)
    return {"range": plain_ranges(own), "others": plain_ranges(others)}, {}


def _histograms(updates: Tensor) -> tuple[Columns, dict[str, Tensor]]:
    histograms = measure_histograms(updates)
    return {"wasserstein": histograms.wasserstein.tolist()}, {"histogram": histograms.counts.to(torch.int32)}


MEASURE: Mapping[Kind, Callable[[Tensor], tuple[Columns, dict[str, Tensor]]]] = {
    "norms": _norms,
    "distances": _distances,
    "histograms": _histograms,
}
