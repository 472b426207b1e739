"""A defence that never acted: a limit of lengths that no update exceeded, or a filter that let all pass."""

from collections.abc import Iterator, Sequence

from fedlens.analysis.counted import share_of
from fedlens.defences.links import title
from fedlens.defences.repair import to_paste
from fedlens.experiment.experiment import Experiment
from fedlens.runs.record import RoundRecord

UNCLIPPED = "no update was clipped"
LIMITS = ("max_norm", "tau")
"""What the limit is called by components that have one."""


def unclipped(experiment: Experiment, inside: Sequence[RoundRecord]) -> str | None:
    """Flag stages that clip and clipped nothing in the attack's window, so that the attack did not break them.

    Of several, the first is told of, with a limit to try that would have clipped: half of the greatest length.
    """
    for index, (whole, component) in enumerate(experiment.server.parts()):
        name = f"{index}.{title(component)}"
        found = [record.clipping[name] for record in inside if name in record.clipping]
        if not found or any(done.clipped for done in found):
            continue
        longest = max(done.longest for done in found)
        limit = next((option for option in LIMITS if hasattr(whole, option)), "")
        rounds = share_of(len(found), len(inside), "round")
        words = f"{UNCLIPPED} by {title(component)} in {rounds}, the longest was {longest:.3g}"
        if not limit or longest == 0:
            return words
        lower = whole.model_copy(update={limit: float(f"{longest / 2:.2g}")})
        stages = [lower if stage is whole else stage for stage in experiment.server.stages]
        return f"{words} and {limit} is {getattr(whole, limit):g}; e.g. {to_paste(stages)}"
    return None


def idle_filters(experiment: Experiment, inside: Sequence[RoundRecord]) -> Iterator[str]:
    """Yield the names of checks that reject and of filters that dropped no update in the attack's window."""
    for name, check in experiment.judges.items():
        if name not in experiment.server.filters and getattr(check, "action", "observe") != "reject":
            continue
        said = [client.checks[name] for record in inside for client in record.clients if name in client.checks]
        if said and not any(check.flagged for check in said):
            yield name
