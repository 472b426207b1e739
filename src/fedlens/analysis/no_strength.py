"""An attack of no strength: what its formula allows is nothing, so that it sends the mean of honest updates."""

from collections.abc import Sequence

from fedlens.analysis.counted import share_of
from fedlens.experiment.experiment import Experiment
from fedlens.runs.record import RoundRecord

NO_STRENGTH = "the attack goes nowhere"


def no_strength(experiment: Experiment, inside: Sequence[RoundRecord]) -> str | None:
    """Flag rounds of the attack's window in which the number that says how far it goes was 0 or below.

    Only the attack's class knows what number that is (`Attack.reach_logged_as`).
    """
    name = experiment.attack.reach_logged_as if experiment.attack is not None else ""
    told = [lowest for record in inside if (lowest := _lowest(record, name)) is not None]
    nowhere = [number for number in told if number <= 0]
    if not name or not nowhere:
        return None
    return f"{NO_STRENGTH}: {name} is {min(nowhere):.3g} in {share_of(len(nowhere), len(told), 'round')}"


def _lowest(record: RoundRecord, name: str) -> float | None:
    """Return the lowest number of this name that an attacker logged in a round."""
    logged = [client.attack.log.get(name) for client in record.attackers if client.attack is not None]
    return min((float(number) for number in logged if isinstance(number, int | float)), default=None)
