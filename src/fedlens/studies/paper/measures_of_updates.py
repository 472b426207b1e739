"""Measures of the malicious client's update compared with the others', and of its steps.

They use the norms, distances and histograms that all panels record; a benign client's number is the median over the
round's other clients.
"""

from collections.abc import Iterator
from math import log
from statistics import linear_regression, mean

from fedlens.analysis import stealth
from fedlens.analysis.run_results import Run
from fedlens.studies.paper.measure_result import Measured

TRAINING_SAMPLES = {"fashion-mnist": 60_000, "adult": 30_160}
"""Sizes of the whole training sets, of which each client has an equal share."""


def attack_steps(run: Run) -> Measured | None:
    """Return the steps of the attack, mean over the rounds in which it acted."""
    logs = [client.attack.log for record in run.records for client in record.attackers if client.attack]
    steps = [count for log in logs if isinstance(count := log.get("steps"), int)]
    return Measured(mean(steps)) if steps else None


def step_ratio(run: Run) -> Measured | None:
    """Return the steps of the attack for each of a benign client's, mean over rounds."""
    experiment, steps = run.experiment, attack_steps(run)
    data = experiment.describe()["data"]["name"]
    if steps is None or data not in TRAINING_SAMPLES:
        return None
    samples = TRAINING_SAMPLES[data]
    share = (samples - experiment.settled(samples).set_apart) // experiment.clients
    return Measured(steps.value / experiment.local.steps_for(share), 1.0)


def late_sparsity_excess(run: Run) -> Measured | None:
    """Return the share of entries below 1e-7 less a benign update's, mean over the rounds after the fourth."""
    pairs = list(_statistic(run, "sparsity", after=4))
    return Measured(mean(ours - benign for ours, benign in pairs), 0.0) if pairs else None


def late_spread_ratio(run: Run) -> Measured | None:
    """Return the width of the central 99.9 % of entries by a benign update's, mean over the rounds after the fourth."""
    ratios = [ours / benign for ours, benign in _statistic(run, "spread", after=4) if benign > 0]
    return Measured(mean(ratios), 1.0) if ratios else None


def spread_ratio(run: Run) -> Measured | None:
    """Return the width of the central 99.9 % of entries by a benign update's, mean over rounds."""
    ratios = [ours / benign for ours, benign in _statistic(run, "spread") if benign > 0]
    return Measured(mean(ratios), 1.0) if ratios else None


def shape_ratio(run: Run) -> Measured | None:
    """Return the L2 norm by the width of the central 99.9 % of entries, relative to a benign update, mean over rounds.

    It is 1 for updates that differ in scale alone, more where fewer entries are small.
    """
    pairs = zip(_statistic(run, "norm"), _statistic(run, "spread"), strict=True)
    ratios = [
        (norm / spread) / (benign_norm / benign_spread)
        for (norm, benign_norm), (spread, benign_spread) in pairs
        if min(spread, benign_norm, benign_spread) > 0
    ]
    return Measured(mean(ratios), 1.0) if ratios else None


def wasserstein(run: Run) -> Measured | None:
    """Return the Wasserstein-1 distance of the update's histogram from the mean of the others', mean over rounds.

    It is in units of the entries; entries beyond the histogram's ends count as at the ends. The control is a benign
    client's.
    """
    pairs = list(_statistic(run, "wasserstein"))
    return Measured(mean(ours for ours, _ in pairs), mean(benign for _, benign in pairs)) if pairs else None


def distance_gap(run: Run) -> Measured | None:
    """Return the gap between the update's L2 distance range and the benign one, mean over rounds; < 0 for overlap."""
    gaps = _gaps(run)
    return Measured(mean(gaps)) if gaps else None


def overlapping_rounds(run: Run) -> Measured | None:
    """Return the share of rounds in which the update's distance range overlaps the benign one."""
    gaps = _gaps(run)
    return Measured(mean(gap <= 0 for gap in gaps)) if gaps else None


def log_benign_distance(run: Run) -> Measured | None:
    """Return the natural logarithm of the middle of benign updates' range of L2 distances, mean over rounds."""
    ranges = [others for _, others in _ranges(run) if others[0] + others[1] > 0]
    return Measured(mean(log((least + greatest) / 2) for least, greatest in ranges)) if ranges else None


def distance_slope(run: Run) -> Measured | None:
    """Return the change per round of the middle of the update's range of L2 distances, as a share of its mean.

    It is the slope of a line fitted to the rounds in which the client attacked.
    """
    rounds = [record.round for record in run.records if stealth.distance_ranges(record)]
    middles = [(least + greatest) / 2 for (least, greatest), _ in _ranges(run)]
    if len(middles) < 2 or not mean(middles):
        return None
    return Measured(linear_regression(rounds, middles).slope / mean(middles))


def _statistic(run: Run, name: str, after: int = 0) -> Iterator[tuple[float, float]]:
    """Yield, for each round after `after` with an attack, the malicious update's statistic and the others' median."""
    for record in run.records:
        pair = stealth.statistic(record, name)
        if pair is not None and record.round > after:
            yield pair


def _ranges(run: Run) -> list[stealth.Ranges]:
    """Return, for each round with an attack, the malicious client's distance range and the others'."""
    by_round = (stealth.distance_ranges(record) for record in run.records)
    return [ranges for ranges in by_round if ranges is not None]


def _gaps(run: Run) -> list[float]:
    """Return, for each round with an attack, the gap between the malicious client's distance range and the others'."""
    gaps = (stealth.distance_gap(record) for record in run.records)
    return [gap for gap in gaps if gap is not None]
