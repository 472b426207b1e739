"""The answer of a sweep in sentences: in how many runs the attack succeeded, and what so few seeds do not show."""

from collections.abc import Sequence

from fedlens.analysis.counted import counted
from fedlens.analysis.group import Group
from fedlens.analysis.intervals import Interval
from fedlens.analysis.success import SUCCEEDED

NAMED = 6
"""At most this many rates, and groups that share one, are named."""
WIDE = 0.4
"""An interval of a rate that is wider leaves the answer open."""


def answer(groups: Sequence[Group]) -> str:
    """Say how often the attack succeeded in each group, with the rate's interval; empty where nobody attacked."""
    rated = [group for group in groups if SUCCEEDED in group.metrics and group.metrics[SUCCEEDED].interval is not None]
    if not rated:
        return "No attack." if groups and all(group.no_attack(SUCCEEDED) for group in groups) else ""
    if len(rated) == 1:
        words = f"The attack succeeded {_often(rated[0])}; 95 % interval of the rate {_reach(_rate(rated[0]))}."
    else:
        words = f"The attack succeeded (95 % interval of the rate in brackets){_each(rated)}."
    return " ".join(filter(None, [words, _open([_rate(group) for group in rated])]))


def _each(groups: Sequence[Group]) -> str:
    """Say how often the attack succeeded in several groups, naming those together in which it did equally often.

    Of more than `NAMED` rates, only the highest and the lowest are named.
    """
    labels: dict[str, list[str]] = {}
    for group in sorted(groups, key=lambda group: -_rate(group).value):
        labels.setdefault(f"{_often(group)} ({_reach(_rate(group))})", []).append(group.label)
    if len(labels) == 1:
        return f" {next(iter(labels))} in each of {len(groups)} groups"
    if len(labels) <= NAMED:
        return ": " + "; ".join(f"{listed_groups(alike)}: {often}" for often, alike in labels.items())
    (most, highest), *_, (least, lowest) = labels.items()
    return f" most often {most}, for {listed_groups(highest)}; least often {least}, for {listed_groups(lowest)}"


def listed_groups(labels: Sequence[str]) -> str:
    """Name groups, whose names may have commas."""
    named = labels[:NAMED]
    more = [f"{len(labels) - NAMED} more"] if len(labels) > NAMED else []
    return " and ".join([*named, *more])


def _rate(group: Group) -> Interval:
    interval = group.metrics[SUCCEEDED].interval
    assert interval is not None
    return interval


def _often(group: Group) -> str:
    """Say how often: ``with 1 of 5 seeds``, or with several targets for each ``at a rate of 23 % over 5 seeds``."""
    measured, rate = group.metrics[SUCCEEDED], _rate(group)
    if measured.runs == measured.seeds:
        return f"with {round(rate.value * rate.seeds)} of {counted(rate.seeds, 'seed')}"
    return f"at a rate of {rate.value:.0%} over {counted(rate.seeds, 'seed')}".replace("%", " %")


def _reach(rate: Interval) -> str:
    """Format an interval of rates: ``1 % to 70 %``."""
    return f"{rate.low:.0%} to {rate.high:.0%}".replace("%", " %")


def _open(rates: Sequence[Interval]) -> str:
    """Say what is not shown where intervals are wide; empty where none is."""
    wide = [rate for rate in rates if rate.low is not None and rate.high is not None and rate.high - rate.low > WIDE]
    if not wide:
        return ""
    seeds = max(rate.seeds for rate in wide)
    said = [] if all(rate.value > 0.5 for rate in wide) else ["that the rule holds"]
    said += [] if all(rate.value <= 0.5 for rate in wide) else ["that the attack always succeeds"]
    return f"{counted(seeds, 'seed')} {'does' if seeds == 1 else 'do'} not show {', or '.join(said)}."
