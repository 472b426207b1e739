"""The pace of an audit: how long one worker takes for what there is a lot of, measured on a few arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from fedlens.studies.audit.arms import Arm

SAMPLED = 6
"""Fixed arms of which the pace is measured."""


@dataclass(frozen=True)
class Pace:
    """Seconds on one worker.

    Attributes:
        twin: a benign twin of all rounds.
        adaptive: an adaptive arm in a forked round; 0 if there is none.
        fixed: another arm in a forked round, the mean.
        probe: the quickest of these, which is little more than the server's step and the test.
        slowness: seconds for each of CPU.
    """

    twin: float
    adaptive: float
    fixed: float
    probe: float
    slowness: float = 1.0


def sample(arms: Sequence[Arm]) -> list[Arm]:
    """Return the arms of which the pace is measured: the first adaptive one, and fixed ones from everywhere."""
    fixed = [arm for arm in arms if not arm.adaptive]
    return [*[arm for arm in arms if arm.adaptive][:1], *fixed[:: max(ceil(len(fixed) / SAMPLED), 1)]]


def pace_of(arms: Sequence[Arm], seconds: Sequence[float], twin: float, slowness: float) -> Pace:
    """Return the pace, given the seconds of each of the sampled arms."""
    pairs = list(zip(arms, seconds, strict=True))
    adaptive, fixed = ([took for arm, took in pairs if arm.adaptive is kind] for kind in (True, False))
    fixed = fixed or adaptive
    return Pace(twin, max(adaptive, default=0.0), sum(fixed) / len(fixed), min(fixed), slowness)
