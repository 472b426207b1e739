"""Values derived from several recorded rounds: whether a success counts, whether a malicious update was taken."""

from collections.abc import Sequence

from fedlens.experiment.experiment import Experiment
from fedlens.runs.record import RoundRecord, total_weight


def mean(values: Sequence[float]) -> float:
    """Average at least one value."""
    return sum(values) / len(values)


def met(record: RoundRecord) -> bool:
    """Tell whether every target is met."""
    return record.target is not None and record.target.success


def met_rounds(records: Sequence[RoundRecord]) -> int:
    """Count the rounds in which every target is met."""
    return sum(map(met, records))


def counts(experiment: Experiment, records: Sequence[RoundRecord]) -> bool:
    """Tell whether the attack itself caused the success of the last of all rounds up to here.

    It did not if the malicious clients' absence has the same effect, or no malicious update was ever used.
    """
    last = records[-1]
    if not met(last) or (last.placebo is not None and last.placebo.target.success):
        return False
    return experiment.attack is None or taken(records) is not False


def taken(records: Sequence[RoundRecord]) -> bool | None:
    """Tell whether the attackers' updates had weight in any of these rounds; ``None`` if the rule does not tell."""
    weights = [
        0.0 if record.skipped is not None else total_weight(record.attackers) for record in records if record.attackers
    ]
    return True if any(weights) else None if None in weights else False


def targeted(experiment: Experiment) -> bool:
    """Tell whether an attack is targeted; one without an `objective` is."""
    return getattr(experiment.attack, "objective", "targeted") == "targeted"


def destroyed(records: Sequence[RoundRecord]) -> int | None:
    """Return the round that left no finite model, a run's last; ``None`` if there is none."""
    return next((record.round for record in records if record.destroyed), None)
