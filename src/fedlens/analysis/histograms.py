"""The histograms of updates that a run recorded, and the window of values in which their mass lies."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from shlex import join
from typing import TYPE_CHECKING

from fedlens.analysis.kept import require_recorded
from fedlens.analysis.run_results import Run
from fedlens.core.errors import ConfigError, DamagedRunError
from fedlens.core.suggest import another
from fedlens.experiment.measures import MEASURES, MEASURING, RECORDING
from fedlens.runs.reading import tables_file
from fedlens.runs.record import ClientRecord, RoundRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHOWN = 0.999
"""The share of a histogram's entries that a window shows at least."""


@dataclass(frozen=True)
class Histogram:
    """The entries of one client's update in one round.

    Attributes:
        client: its number.
        counts: entries in each bin, shape ``[bins]``; those beyond the edges are counted in the end bins.
        edges: of the bins, shape ``[bins + 1]``.
        statistics: what was measured of the update: norm, lowest, highest, sparsity and so on.
    """

    client: int
    counts: "NDArray[np.int64]"
    edges: "NDArray[np.float64]"
    statistics: dict[str, float]

    @property
    def exact(self) -> "NDArray[np.bool_]":
        """Which bins count nothing but entries between their own edges: all but overflowing end bins."""
        import numpy as np

        exact = np.ones(len(self.counts), dtype=bool)
        exact[0] = self.statistics["lowest"] >= self.edges[0]
        exact[-1] &= self.statistics["highest"] <= self.edges[-1]
        return exact

    def outside(self, half: float) -> tuple[int, int]:
        """Count the entries in bins outside ±`half` and in the overflowing end bins, below and above."""
        import numpy as np

        middles = (self.edges[:-1] + self.edges[1:]) / 2
        unseen = ~self.exact | (np.abs(middles) > half)
        return int(self.counts[unseen & (middles < 0)].sum()), int(self.counts[unseen & (middles > 0)].sum())


@dataclass(frozen=True)
class Histograms:
    """The histograms of a round's cohort that are looked at side by side.

    Attributes:
        round: the round's number.
        benign: of the cohort's first client that did not attack, if there is one.
        malicious: of the cohort's first client that attacked, if there is one.
    """

    round: int
    benign: Histogram | None
    malicious: Histogram | None


def kept_histograms(run: Run) -> Iterator[Histograms]:
    """Yield the histograms of every round.

    Raises:
        ConfigError: the run recorded none, or no norms.
        DamagedRunError: a file is missing or damaged.
    """
    require_histograms(run)
    return (histograms_of(run, record) for record in run.records)


def require_histograms(run: Run) -> None:
    """Refuse a run without histograms, or norms, which say how far the end bins reach.

    Raises:
        ConfigError: it did not record them, or its tables are gone, as in a run restored from its records alone.
    """
    require_recorded(run, "histograms", "norms")
    folder = tables_file(run.path, 1).parent
    if not folder.is_dir() and any(record.seen for record in run.records):
        raise ConfigError(f"{run.path}: the folder {folder.name} with its histograms is missing; {_anew(run)}")


def _anew(run: Run) -> str:
    return f"make them anew: {join(['fedlens', 'run', str(run.path), '--out', str(another(run.path))])}"


def histograms_of(run: Run, record: RoundRecord) -> Histograms:
    """Return the histograms of the round of `record`.

    Raises:
        DamagedRunError: the file is missing or damaged.
    """
    source, bins, limit = _source(run)
    if not record.seen:  # all updates were malformed
        return Histograms(record.round, None, None)
    file = tables_file(run.path, record.round)
    counts = run.tables(record.round).get(f"{source}.histogram")
    if counts is None:
        raise DamagedRunError(f"{file}: the histograms are missing; {_anew(run)}")
    fits = counts.dim() == 2 and len(counts) >= len(record.seen) and counts.shape[1] == bins
    if not fits or counts.is_floating_point() or bool((counts < 0).any()):
        wrong = f"no counts of {bins} bins for each of {len(record.seen)} clients"
        raise DamagedRunError(f"{file}: damaged ({wrong})")
    table = counts.numpy()

    def of(client: ClientRecord) -> Histogram:
        import numpy as np

        edges = np.linspace(-limit, limit, bins + 1)
        names = (*MEASURES["norms"], *MEASURES["histograms"])
        measured = {name: client.measure(name) for name in names}
        statistics = {name: value for name, value in measured.items() if isinstance(value, int | float)}
        return Histogram(client.client, table[record.seen.index(client)].astype(np.int64), edges, statistics)

    attacker = next((client for client in record.seen if client.attacked), None)
    benign = next((client for client in record.seen if not client.attacked), None)
    return Histograms(record.round, None if benign is None else of(benign), None if attacker is None else of(attacker))


def _source(run: Run) -> tuple[str, int, float]:
    """Return what the run's table of histograms is kept under, the number of bins, and where the last one ends."""
    from fedlens.defences.histogram import BINS, LIMIT
    from fedlens.defences.update_statistics import StatisticsCheck

    check = run.experiment.detectors.get(MEASURING["histograms"])
    if isinstance(check, StatisticsCheck):
        return MEASURING["histograms"], check.bins, check.limit
    return RECORDING, BINS, LIMIT


def window(histograms: Iterable[Histogram]) -> float:
    """Return the half width of a window around 0 that shows 99.9 % of each histogram's entries, and a little more."""
    import numpy as np

    halves = []
    for histogram in histograms:
        reach = np.maximum(np.abs(histogram.edges[:-1]), np.abs(histogram.edges[1:]))
        order = np.argsort(reach, kind="stable")
        within = histogram.counts[order].cumsum()
        needed = reach[order][np.searchsorted(within, SHOWN * within[-1])]
        halves.append(min(1.1 * needed, histogram.edges[-1]))
    return float(max(halves))
