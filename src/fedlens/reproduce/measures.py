"""What is measured of a run for the paper's claims: a number each, and the control's where it has one.

"Acted" rounds are those in which the malicious client attacked. What is measured of updates comes from the server's
checks ``statistics`` and ``distances``, which all panels have; a benign client's figure is the median over the round's
other clients.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from statistics import mean, median
from typing import NamedTuple

from fedlens.runs import stealth
from fedlens.runs.load import Run
from fedlens.runs.records import Record, acted, confidence, malicious_share

TRAINING_SAMPLES = {"fashion-mnist": 60_000, "adult": 30_160}
"""In the whole training set, of which each client has an equal share."""


class Measured(NamedTuple):
    """A number of a run, and of its benign twin where the same can be asked of it."""

    value: float
    control: float | None = None


Measure = Callable[[Run], Measured | None]
"""Measures a complete run; ``None`` where there is nothing to measure, such as an attacker that was never chosen."""


def early_confidence(run: Run) -> Measured | None:
    """The best confidence in the target class by round 3."""
    return _confidence(run.records[:3], max)


def final_confidence(run: Run) -> Measured | None:
    """The confidence in the target class after the last round."""
    return _confidence(run.records[-1:], max)


def second_confidence(run: Run) -> Measured | None:
    """The mean confidence in the target class in rounds 2 and 3."""
    return _confidence(run.records[1:3], mean)


def confidence_with(run: Run) -> Measured | None:
    """The mean confidence in the target class after rounds with the malicious client."""
    return _confidence([record for record in run.records if record["attacker"]], mean)


def confidence_without_excess(run: Run) -> Measured | None:
    """The mean confidence after rounds without the malicious client, once it has been there, less that with it."""
    present = [record for record in run.records if record["attacker"]]
    if not present:
        return None
    absent = [record for record in run.records if not record["attacker"] and record["round"] > present[0]["round"]]
    without, with_ = _confidence(absent, mean), _confidence(present, mean)
    return None if without is None or with_ is None else Measured(without.value - with_.value)


def met_rounds_of_ten(run: Run) -> Measured | None:
    """In how many of the first ten rounds every target is met."""
    records = run.records[:10]
    beside = [record["control"]["target"]["success"] for record in records if record["control"]]
    return Measured(sum(record["target"]["success"] for record in records), sum(beside) if beside else None)


def final_accuracy(run: Run) -> Measured | None:
    """The global model's accuracy after the last round."""
    last = run.records[-1]
    return Measured(last["quality"]["accuracy"], last["control"]["quality"]["accuracy"] if last["control"] else None)


def final_accuracy_excess(run: Run) -> Measured | None:
    """The global model's accuracy after the last round, less the benign twin's."""
    value, control = final_accuracy(run) or (None, None)
    return None if value is None or control is None else Measured(value - control, 0.0)


def best_control_accuracy(run: Run) -> Measured | None:
    """The benign twin's best accuracy."""
    found = [record["control"]["quality"]["accuracy"] for record in run.records if record["control"]]
    return Measured(max(found)) if found else None


def first_malicious_accuracy(run: Run) -> Measured | None:
    """The malicious model's accuracy in the first round in which it attacked."""
    acted = _acted(run)
    return Measured(acted[0]["malicious"]["accuracy"], _control_accuracy(acted[0])) if acted else None


def mean_malicious_accuracy(run: Run) -> Measured | None:
    """The malicious model's accuracy, mean over the rounds in which it attacked."""
    found = [record["malicious"]["accuracy"] for record in _acted(run)]
    return Measured(mean(found)) if found else None


def highest_malicious_excess(run: Run) -> Measured | None:
    """The malicious model's accuracy less the benign twin's, in the round where that is highest."""
    found = [
        record["malicious"]["accuracy"] - accuracy
        for record in _acted(run)
        if (accuracy := _control_accuracy(record)) is not None
    ]
    return Measured(max(found)) if found else None


def malicious_deviation(run: Run) -> Measured | None:
    """How far the malicious model's accuracy is from the global model's after the round, median over rounds."""
    found = [off for record in run.records if (off := stealth.malicious_deviation(record)) is not None]
    return Measured(median(found)) if found else None


def step_ratio(run: Run) -> Measured | None:
    """Steps of the attack for each of a benign client's, mean over rounds."""
    found = [record["attack"]["steps"] for record in _acted(run) if "steps" in record["attack"]]
    data = run.experiment.describe()["data"]["name"]
    if not found or data not in TRAINING_SAMPLES:
        return None
    return Measured(mean(found) / run.experiment.local.steps_for(TRAINING_SAMPLES[data] // run.experiment.clients), 1.0)


def late_sparsity_excess(run: Run) -> Measured | None:
    """The share of entries below 1e-7 less a benign update's, mean over the rounds after the fourth."""
    pairs = list(_statistic(run, "sparsity", after=4))
    return Measured(mean(ours - benign for ours, benign in pairs), 0.0) if pairs else None


def late_spread_ratio(run: Run) -> Measured | None:
    """The width of the central 99.9 % of entries by a benign update's, mean over the rounds after the fourth."""
    ratios = [ours / benign for ours, benign in _statistic(run, "spread", after=4) if benign > 0]
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


def chosen_rounds(run: Run) -> Measured | None:
    """The share of the malicious client's rounds in which the rule took its update alone."""
    present = [record for record in run.records if record["attacker"]]
    shares = [share for record in present if (share := malicious_share(run.experiment, record)) is not None]
    return Measured(mean(share == 1 for share in shares), 1 / run.experiment.cohort_size) if shares else None


MEASURES: Mapping[str, Measure] = {
    measure.__name__: measure
    for measure in (
        early_confidence,
        final_confidence,
        second_confidence,
        confidence_with,
        confidence_without_excess,
        met_rounds_of_ten,
        final_accuracy,
        final_accuracy_excess,
        best_control_accuracy,
        first_malicious_accuracy,
        mean_malicious_accuracy,
        highest_malicious_excess,
        malicious_deviation,
        step_ratio,
        late_sparsity_excess,
        late_spread_ratio,
        wasserstein,
        distance_gap,
        overlapping_rounds,
        chosen_rounds,
    )
}


def _acted(run: Run) -> list[Record]:
    """The rounds in which the malicious client attacked."""
    return list(filter(acted, run.records))


def _control_accuracy(record: Record) -> float | None:
    return record["control"]["quality"]["accuracy"] if record["control"] else None


def _confidence(records: list[Record], over: Callable[[Iterable[float]], float]) -> Measured | None:
    """The confidence in the target class over some rounds, and the benign twin's."""
    if not records:
        return None
    beside = [confidence(record["control"]["target"]) for record in records if record["control"]]
    ours = [confidence(record["target"]) for record in records]
    return Measured(float(over(ours)), float(over(beside)) if beside else None)


def _statistic(run: Run, name: str, after: int = 0) -> Iterator[tuple[float, float]]:
    """For each acted round after this one: the malicious update's statistic, and the median of the others'."""
    for record in run.records:
        found = stealth.statistic(run.experiment, record, name)
        if found is not None and record["round"] > after:
            yield found


def _gaps(run: Run) -> list[float]:
    """For each acted round, how far the malicious client's distance range lies from the others'."""
    gaps = (stealth.distance_gap(run.experiment, record) for record in run.records)
    return [gap for gap in gaps if gap is not None]
