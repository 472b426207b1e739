"""The bounds of an audit's single rounds, computed by its workers, beside the most that its attacks had there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fedlens.core.errors import ConfigError
from fedlens.simulation.callback import Event
from fedlens.studies.audit.arms import Arm
from fedlens.studies.audit.bounds import BOUND, Bound, bounding
from fedlens.studies.audit.ledger import Ledger
from fedlens.studies.audit.screening import Screening
from fedlens.studies.audit.tried import TRIED, Fork
from fedlens.studies.audit.workers import Call, Workers


def limits(screening: Screening, workers: Workers, ledger: Ledger, *, rounds: Sequence[int], seeds: int) -> list[Bound]:
    """Return the bounds of these rounds, of so many seeds of the search, with what was found left open.

    Raises:
        ConfigError: a rule's reach failed, or is none.
    """
    if bounding(screening.subject.experiment) is None:
        return []
    places = {
        f"seed {number}, round {round_}": (number, round_) for number in screening.seeds(seeds) for round_ in rounds
    }
    wrong: list[str] = []

    def told(key: str, event: Event) -> None:
        if event.kind != "finished":
            wrong.append(event.content["reason"])
        elif event.content["value"] is not False:  # where the twin's model was not finite before
            ledger.add("reach", key, BOUND, BOUND.validate_python(event.content["value"]))

    calls: dict[str, Call] = {
        key: (number, {"round_": round_, "number": number})
        for key, (number, round_) in places.items()
        if not ledger.has("reach", key)
    }
    workers.ask("bound", calls, told)
    if wrong:
        raise ConfigError(wrong[0])
    known = [ledger.get("reach", key, BOUND) for key in places]
    return [bound for bound in known if bound is not None]


def compared(known: Sequence[Bound], ledger: Ledger, arms: Sequence[Arm]) -> list[Bound]:
    """Return the bounds with the most that any of these arms had in each round."""
    found = []
    for bound in known:
        forks = [Fork(bound.number, bound.round, arm) for arm in arms]
        tried = [ledger.get(fork.kind, fork.key, TRIED) for fork in forks]
        done = [one.forked for one in tried if one is not None and one.forked is not None]
        best = max(done, key=lambda forked: forked.attacked.value, default=None)
        found.append(bound if best is None else replace(bound, found=best.attacked.value, by=best.arm))
    return found
