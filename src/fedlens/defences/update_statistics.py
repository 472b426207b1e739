"""Weight-update statistics: is the distribution of an update's entries unlike the others'?

Bhagoji et al., *Analyzing Federated Learning through an Adversarial Lens* (ICML 2019), section 3: a server may look at
the histogram of each update's entries and at their range. The paper compares by eye; the decision here is ours. Each
client has four numbers:

- the logarithm of the update's L2 norm,
- the logarithm of its spread, the width of the central 99.9 % of its entries,
- log(σ + 0.01), σ the share of its entries below 1e-7 in absolute value,
- log(W + 0.01), W the Wasserstein-1 distance from its histogram to the mean of the others', as a share of the mean
  absolute entry in the latter,

so that differences are relative, and small shares are resolved to 0.01 (the "started" logarithm of
J. W. Tukey, *Exploratory Data Analysis*, 1977). `fedlens.defences.outliers` says how unusual they are among the
round's clients; a standard deviation below 0.01 is taken for 0.01. The score is -log10 of the number of values as
extreme that are expected in a round of honest clients.

In honest rounds of ten clients (census and digits, full and partial participation), the default accuses somebody in
about one of a hundred.
"""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pydantic import Field, PositiveInt
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.defences.detector import Detector, Inspection, Verdict
from fedlens.defences.histogram import BINS, LIMIT, TINY, centres, histogram, left_out, shares, wasserstein
from fedlens.defences.outliers import deleted_residuals, rarity
from fedlens.defences.over import Over, over_entries

if TYPE_CHECKING:
    from torch import Tensor

RESOLUTION = 0.01


class Norms(NamedTuple):
    """Size of each update; float64 on the CPU, shape ``[n]``.

    Attributes:
        norm: L2 norm.
        lowest: the lowest entry.
        highest: the highest entry.
        spread: width of the central 99.9 % range of the entries.
        sparsity: share of the entries below 1e-7 in absolute value.
    """

    norm: Tensor
    lowest: Tensor
    highest: Tensor
    spread: Tensor
    sparsity: Tensor


class Histograms(NamedTuple):
    """Histogram of each update's entries; on the CPU.

    Attributes:
        counts: shape ``[n, bins]``, int64.
        wasserstein: distance from the histogram to the mean of the others', in units of the entries, shape ``[n]``,
            float64; 0 without others.
        typical: the mean absolute entry in the mean of the others' histograms, at least half a bin's width, shape
            ``[n]``, float64.
    """

    counts: Tensor
    wasserstein: Tensor
    typical: Tensor


def measure_norms(updates: Tensor) -> Norms:
    """Measure the size of updates (shape ``[n, d]``), one row at a time to save memory."""
    rows = [_size(update) for update in updates]
    return Norms(*torch.tensor(rows, dtype=torch.float64).unbind(1))


def _size(update: Tensor) -> list[float]:
    """Return the numbers of `Norms` for an update (shape ``[d]``)."""
    lowest, highest = update.aminmax()
    norm = torch.linalg.vector_norm(update, dtype=torch.float64)
    return [float(norm), float(lowest), float(highest), central_width(update), left_out(update) / len(update)]


def measure_histograms(updates: Tensor, bins: int = BINS, limit: float = LIMIT) -> Histograms:
    """Count the entries of updates (shape ``[n, d]``), and compare their histograms; see `histogram`."""
    counts = torch.stack([histogram(update, bins, limit).cpu() for update in updates])
    others = mean_of_others(shares(counts))
    typical = (others @ centres(bins, limit).abs()).clamp_min(limit / bins)
    return Histograms(counts, wasserstein(counts, others, limit), typical)


def central_width(update: Tensor) -> float:
    """Measure the width of the entries' central 99.9 % range, without the ⌊d / 2000⌋ lowest and as many highest."""
    dropped = len(update) // 2000
    return float(update.kthvalue(len(update) - dropped).values) - float(update.kthvalue(dropped + 1).values)


def mean_of_others(rows: Tensor) -> Tensor:
    """Return the mean of all other rows for each row of ``[n, ...]``; a single row is its own."""
    return (rows.sum(0) - rows) / (len(rows) - 1) if len(rows) > 1 else rows


def comparable(norms: Norms, histograms: Histograms) -> Tensor:
    """Return the four numbers by which clients are compared, shape ``[n, 4]``."""
    relative = histograms.wasserstein / histograms.typical
    sizes = torch.stack([norms.norm, norms.spread]).clamp_min(TINY)
    return torch.cat([sizes, torch.stack([norms.sparsity, relative]) + RESOLUTION]).log().T


class StatisticsCheck(Detector):
    """A check for updates that differ from the others in norm, spread, sparsity or the histogram of entries.

    Of fewer than three clients, none is flagged: their others have no spread.

    Attributes:
        bins: number of the histogram's bins.
        limit: the histogram's bins lie between minus and plus this; entries beyond are counted in the end bins.
        false_alarms: flag a client if a round of honest clients would show fewer values as unusual than this.
        over: the entries that count: ``parameters``, ``all`` (with running statistics), ``weights`` (without biases) or
            those of the ``last-layer``.

    Example:
        >>> import torch
        >>> from fedlens import Layout
        >>> from fedlens.defences import Inspection, StatisticsCheck
        >>> layout = Layout.of(torch.nn.Linear(4, 1, bias=False))
        >>> updates = torch.cat([torch.linspace(-1, 1, 20).view(5, 4), torch.full((1, 4), 9.0)])
        >>> alpha = torch.ones(6).double() / 6
        >>> StatisticsCheck().inspect(Inspection(1, torch.zeros(4), updates, alpha, layout)).flagged
        tensor([False, False, False, False, False,  True])
    """

    later: ClassVar[frozenset[str]] = frozenset({"over"})

    bins: PositiveInt = BINS
    limit: float = Field(default=LIMIT, gt=0)
    false_alarms: float = Field(default=0.01, gt=0, le=1)
    over: Over = "parameters"

    @property
    @override
    def sees_buffers(self) -> bool:
        return self.over == "all"

    @property
    @override
    def boundary(self) -> float:
        return -log10(self.false_alarms)

    @override
    def inspect(self, seen: Inspection) -> Verdict:
        """Score by rarity; the details are the statistics and their residuals in standard errors."""
        updates = over_entries(seen.updates, seen.layout, self.over)
        norms = measure_norms(updates)
        histograms = measure_histograms(updates, self.bins, self.limit)
        residuals = deleted_residuals(comparable(norms, histograms), RESOLUTION)
        scores = rarity(residuals).to(seen.updates.device)
        details: dict[str, list[float] | list[list[float]]] = {
            **{name: values.tolist() for name, values in norms._asdict().items()},
            "wasserstein": histograms.wasserstein.tolist(),
            "residuals": residuals.tolist(),
        }
        return Verdict(scores, scores > self.boundary, details, {"histogram": histograms.counts.to(torch.int32)})
