"""The answer of a sweep in sentences: in how many runs the attack succeeded, and what so few seeds do not show."""

from collections.abc import Sequence

from fedlens.analysis.group import Group
from fedlens.analysis.intervals import Interval
from fedlens.analysis.success import SUCCEEDED
from fedlens.report.words import counted

NAMED = 6
"""At most this many groups are named."""
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
        ranked = sorted(rated, key=lambda group: _rate(group).value)
        named = rated if len(rated) <= NAMED else [ranked[-1], ranked[0]]
        each = "; ".join(f"{group.label}: {_often(group)} ({_reach(_rate(group))})" for group in named)
        which = "" if len(rated) <= NAMED else ", where it did most and least"
        words = f"The attack succeeded (95 % interval of the rate in brackets){which}: {each}."
    return " ".join(filter(None, [words, _open([_rate(group) for group in rated])]))


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
