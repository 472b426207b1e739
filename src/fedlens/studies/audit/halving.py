"""Stage 2 of an audit: the best arms of the forked rounds attack whole federations, and fewer and fewer go on.

All arms have the same seeds and target samples. After each seed but the first, arms that are worse than the best by a
paired signed-rank test (Wilcoxon, one-sided, p < 0.1) are out, and so is the worse half of the others, down to those
that the verdict is about. As in the forked rounds, these numbers choose and are no result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from fedlens.studies.audit.arms import Arm, with_both_kinds
from fedlens.studies.audit.federations import Federations, Played
from fedlens.studies.audit.forked_round import log_odds
from fedlens.studies.audit.schedule import Schedule
from fedlens.studies.audit.screening import ENOUGH, WORST, damage, price
from fedlens.studies.audit.subject import Subject

OUT = 0.1
"""The p-value below which an arm is worse than the best."""


@dataclass(frozen=True)
class Standing:
    """An arm in the search's whole federations.

    Attributes:
        arm: the attack.
        played: what became of it, a seed each.
        successes: in how many it succeeded, and its absence did not.
        utility: the mean over these; see `worth`.
    """

    arm: Arm
    played: tuple[Played, ...]
    successes: int
    utility: float


def worth(played: Played, subject: Subject) -> float:
    """Return the log-odds of what was reached, up to 0.95, less a hundred for each accuracy point above the limit.

    To damage the model, what accuracy was lost. A success that counts is worth ten more.
    """
    if played.cell is None or played.confidence is None:
        return WORST
    bonus = 10.0 * played.cell.counts(subject.largest_cost)
    if not subject.asks:
        return bonus + damage(played.confidence) * played.cell.applied
    reached = min(log_odds(played.confidence), ENOUGH)
    return max(bonus + reached - price(played.cell.cost, subject), WORST)


def entrants(able: Sequence[Arm], count: int) -> list[Arm]:
    """Return so many of the arms, the best first: half of them fixed; the best adaptive one also in the last third.

    In a single round that makes no difference.
    """
    adaptive, fixed = ([arm for arm in able if arm.adaptive is kind] for kind in (True, False))
    late = [replace(arm, window="last third") for arm in adaptive[:1]]
    room = count - len(late)
    bold = adaptive[: max(room - min(count // 2, len(fixed)), 1)]
    return [*with_both_kinds([arm for arm in able if not arm.adaptive or arm in bold][:room], able), *late]


def halved(
    arms: Sequence[Arm],
    federations: Federations,
    subject: Subject,
    schedule: Schedule,
    *,
    numbers: Sequence[int],
    tell: Callable[[str], None],
) -> list[Standing]:
    """Play the arms' federations, and return all arms, those that lasted longest first, the best of these first.

    Args:
        arms: the attacks, the best of the forked rounds first.
        federations: where runs are made.
        subject: what is audited.
        schedule: how many arms are left in the end.
        numbers: of the seeds of the search, those with which there is something to attack.
        tell: is called with what is being done.
    """
    going, out = list(arms), list[Arm]()
    standings: dict[str, Standing] = {}
    for trial in range(len(numbers)):
        tell(f"{len(going)} attacks on whole federations, seed {trial + 1} of {len(numbers)}")
        played = federations.played(going, "search", numbers[: trial + 1])
        standings |= {arm.name: standing(arm, played, subject) for arm in going}
        ordered = sorted(going, key=lambda arm: -standings[arm.name].utility)
        staying = ordered if trial == 0 else [arm for arm in ordered if not worse(arm, ordered[0], played, subject)]
        least = max(schedule.finalists, (len(ordered) + 1) // 2 if trial + 1 < len(numbers) else len(ordered))
        kept = with_both_kinds(staying[:least], ordered)
        out = [*(arm for arm in ordered if arm not in kept), *out]
        going = kept
    return [standings[arm.name] for arm in (*going, *out)]


def standing(arm: Arm, played: Sequence[Played], subject: Subject) -> Standing:
    """Return how an arm did in the federations that it attacked."""
    own = tuple(one for one in played if one.arm == arm)
    judged = [one for one in own if not one.unjudged]
    successes = sum(one.cell is not None and one.cell.counts(subject.largest_cost) for one in judged)
    return Standing(arm, own, successes, fmean(worth(one, subject) for one in judged) if judged else WORST)


def worse(arm: Arm, best: Arm, played: Sequence[Played], subject: Subject) -> bool:
    """Tell whether an arm is worse than the best by a paired signed-rank test."""
    from scipy.stats import wilcoxon

    values: Mapping[tuple[str, int], float] = {(one.arm.name, one.number): worth(one, subject) for one in played}
    numbers = sorted({number for name, number in values if name == arm.name})
    differences = [values[best.name, number] - values[arm.name, number] for number in numbers]
    return any(differences) and float(wilcoxon(differences, alternative="greater").pvalue) < OUT


def finalists_of(standings: Sequence[Standing], count: int) -> list[Arm]:
    """Return the arms that the verdict is about: the best adaptive and the best fixed one, and the next best."""
    ordered = sorted(standings, key=lambda one: (-len(one.played), -one.utility))
    arms = [one.arm for one in ordered if any(played.cell for played in one.played)]
    return with_both_kinds(arms[:count], arms)
