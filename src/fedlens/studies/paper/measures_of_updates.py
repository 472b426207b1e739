"""What the malicious client's update looks like beside the others', and how many steps it took.

It comes from the server's checks ``statistics`` and ``distances``, which all panels have; a benign client's figure is
the median over the round's other clients.
"""

from collections.abc import Iterator
from math import log
from statistics import linear_regression, mean

from fedlens.analysis import stealth
from fedlens.analysis.run_results import Run
from fedlens.studies.paper.measured import Measured, acted_rounds

TRAINING_SAMPLES = {"fashion-mnist": 60_000, "adult": 30_160}
"""In the whole training set, of which each client has an equal share."""


def attack_steps(run: Run) -> Measured | None:
    """Steps of the attack, mean over the rounds in which it acted."""
    found = [record["attack"]["steps"] for record in acted_rounds(run) if "steps" in record["attack"]]
    return Measured(mean(found)) if found else None


def step_ratio(run: Run) -> Measured | None:
    """Steps of the attack for each of a benign client's, mean over rounds."""
    experiment, steps = run.experiment, attack_steps(run)
    data = experiment.describe()["data"]["name"]
    if steps is None or data not in TRAINING_SAMPLES:
        return None
    samples = TRAINING_SAMPLES[data]
    share = (samples - experiment.settled(samples).set_apart) // experiment.clients
    return Measured(steps.value / experiment.local.steps_for(share), 1.0)


def late_sparsity_excess(run: Run) -> Measured | None:
    """The share of entries below 1e-7 less a benign update's, mean over the rounds after the fourth."""
    pairs = list(_statistic(run, "sparsity", after=4))
    return Measured(mean(ours - benign for ours, benign in pairs), 0.0) if pairs else None


def late_spread_ratio(run: Run) -> Measured | None:
    """The width of the central 99.9 % of entries by a benign update's, mean over the rounds after the fourth."""
    ratios = [ours / benign for ours, benign in _statistic(run, "spread", after=4) if benign > 0]
    return Measured(mean(ratios), 1.0) if ratios else None


def spread_ratio(run: Run) -> Measured | None:
    """The width of the central 99.9 % of entries by a benign update's, mean over rounds."""
    ratios = [ours / benign for ours, benign in _statistic(run, "spread") if benign > 0]
    return Measured(mean(ratios), 1.0) if ratios else None


def shape_ratio(run: Run) -> Measured | None:
    """The L2 norm by the width of the central 99.9 % of entries, by the same of a benign update, mean over rounds.

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
    """Wasserstein-1 distance of the update's histogram from the mean of the others', mean over rounds.

    It is in units of the entries, of which those beyond the histogram's ends are counted there; the control is a benign
    client's.
    """
    pairs = list(_statistic(run, "wasserstein"))
    return Measured(mean(ours for ours, _ in pairs), mean(benign for _, benign in pairs)) if pairs else None


def distance_gap(run: Run) -> Measured | None:
    """How far the update's L2 distance range is from the benign one, mean over rounds; negative where they overlap."""
    found = _gaps(run)
    return Measured(mean(found)) if found else None


def overlapping_rounds(run: Run) -> Measured | None:
    """The share of rounds in which the update's distance range overlaps the benign one."""
    found = _gaps(run)
    return Measured(mean(gap <= 0 for gap in found)) if found else None


def log_benign_distance(run: Run) -> Measured | None:
    """The natural logarithm of the middle of the range of L2 distances among benign updates, mean over rounds."""
    ranges = [others for _, others in _ranges(run) if others[0] + others[1] > 0]
    return Measured(mean(log((least + greatest) / 2) for least, greatest in ranges)) if ranges else None


def distance_slope(run: Run) -> Measured | None:
    """By how much the middle of the update's range of L2 distances from others changes a round, as a share of its mean.

    It is the slope of a line fitted to the rounds in which the client attacked.
    """
    rounds = [record["round"] for record in run.records if stealth.distance_ranges(run.experiment, record)]
    middles = [(least + greatest) / 2 for (least, greatest), _ in _ranges(run)]
    if len(middles) < 2 or not mean(middles):
        return None
    return Measured(linear_regression(rounds, middles).slope / mean(middles))


def _statistic(run: Run, name: str, after: int = 0) -> Iterator[tuple[float, float]]:
    """For each acted round after this one: the malicious update's statistic, and the median of the others'."""
    for record in run.records:
        found = stealth.statistic(run.experiment, record, name)
        if found is not None and record["round"] > after:
            yield found


def _ranges(run: Run) -> list[stealth.Ranges]:
    """For each acted round, the malicious client's distance range and the others'."""
    found = (stealth.distance_ranges(run.experiment, record) for record in run.records)
    return [ranges for ranges in found if ranges is not None]


def _gaps(run: Run) -> list[float]:
    """For each acted round, how far the malicious client's distance range lies from the others'."""
    gaps = (stealth.distance_gap(run.experiment, record) for record in run.records)
    return [gap for gap in gaps if gap is not None]
