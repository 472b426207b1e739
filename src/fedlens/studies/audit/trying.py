"""Stage 3 of an audit: the finalists attack federations with seeds that the search never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedlens.core.errors import RunError
from fedlens.studies.audit.arms import Arm
from fedlens.studies.audit.cell import Cell
from fedlens.studies.audit.federations import Federations, Played
from fedlens.studies.audit.judgement import Judgement
from fedlens.studies.audit.schedule import BATCH


@dataclass(frozen=True)
class Trials:
    """What became of the finalists.

    Attributes:
        played: each finalist with each seed.
        cells: those that count.
        skipped: numbers of the seeds with which nothing can be told.
        out_of_time: whether more seeds would have been tried with more time.
    """

    played: tuple[Played, ...]
    cells: tuple[Cell, ...]
    skipped: frozenset[int]
    out_of_time: bool = False


def try_finalists(
    finalists: Sequence[Arm],
    federations: Federations,
    most: int,
    judged: Callable[[Trials], Judgement],
    in_time: Callable[[int, Trials], bool],
) -> Trials:
    """Play so many seeds, a batch after the other, until the verdict is reached or time is up.

    Args:
        finalists: who attacks.
        federations: where runs are made.
        most: how many seeds are tried at most.
        judged: judges what there is.
        in_time: whether the batch that begins with this seed may be begun, after these trials.

    Raises:
        RunError: a finalist's runs failed with all seeds of a batch, so that it says nothing to find no success.
    """
    trials = gathered(finalists, [])
    while (begun := len({one.number for one in trials.played})) < most:
        if not in_time(begun, trials):
            return gathered(finalists, trials.played, out_of_time=True)
        numbers = range(begun, min(begun + BATCH, most))
        batch = federations.played(finalists, "verdict", numbers)
        refuse_failures(finalists, batch)
        trials = gathered(finalists, [*trials.played, *batch])
        if decided(judged(trials)):
            break
    return trials


def refuse_failures(finalists: Sequence[Arm], batch: Sequence[Played]) -> None:
    """Refuse to count as unsuccessful what never ran."""
    for arm in finalists:
        own = [one for one in batch if one.arm.name == arm.name and not one.unjudged]
        if own and all(one.cell is None for one in own):
            raise RunError(f"{arm.name} failed with every seed: {own[0].reason}; the same command tries again")


def gathered(finalists: Sequence[Arm], played: Sequence[Played], *, out_of_time: bool = False) -> Trials:
    """Sort out what was played; of a run that failed nobody knows whether the attack succeeds."""
    skipped = frozenset(one.number for one in played if one.unjudged)
    names = {arm.name for arm in finalists}
    cells = tuple(
        one.cell or Cell(one.arm.name, one.number, success=False, placebo=False, cost=0.0, failed=True)
        for one in played
        if one.number not in skipped and one.arm.name in names
    )
    return Trials(tuple(played), cells, skipped, out_of_time)


def decided(judgement: Judgement) -> bool:
    """Tell whether no further seed can change the verdict."""
    return judgement.verdict == "broken" or all(one.refuted for one in judgement.finalists)
