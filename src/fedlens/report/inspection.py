"""An inspection of logged updates in sentences and tables, which the terminal and pages have in common."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from statistics import median

from fedlens.analysis.counted import counted, share_of
from fedlens.defences.distance_ranges import FEWEST
from fedlens.report.audited import Rows
from fedlens.runs.inspected import Inspected, InspectedClient, InspectedRound

HALF = 0.5
LISTED = 3

UNSEEN = (
    "An update that is like the others: a patient attacker needs no other kind, and most clients together look usual.",
    "What an update does: nobody has tried the models here. A server with samples can: `checks: [accuracy]`.",
    "Who clients are, and whether two of them are one.",
)
"""What checks of updates do not see."""


def sentence(inspected: Inspected) -> str:
    """Say what was looked at."""
    counts = sorted({len(round_.clients) for round_ in inspected.rounds})
    clients = counted(counts[0], "client") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} clients"
    entries = sorted({round_.entries for round_ in inspected.rounds})
    size = f"{entries[0]:,}" if len(entries) == 1 else f"{entries[0]:,} to {entries[-1]:,}"
    checks = " and ".join(inspected.checks) or "no check"
    return f"{counted(len(inspected.rounds), 'round')} of {clients}, models of {size} parameters, put to {checks}."


def findings(inspected: Inspected) -> Iterator[str]:
    """Yield what each check says."""
    of_clients = inspected.of_clients()
    for name in inspected.checks:
        places: dict[str, list[int]] = {}
        for client, seen in of_clients.items():
            if rounds := [round_.round for round_, one in seen if name in one.flagged_by]:
                places[client] = rounds
        judged = sum(name in one.checks for round_ in inspected.rounds for one in round_.clients)
        flagged = sum(map(len, places.values()))
        if not flagged:
            yield f"The check {name} flagged none of {counted(judged, 'update')}."
            continue
        worst = sorted(places, key=lambda client: -len(places[client]))
        whom = [f"client {client} in {_rounds(places[client])}" for client in worst[:LISTED]]
        more = f", and {counted(len(worst) - LISTED, 'other')}" if len(worst) > LISTED else ""
        yield f"The check {name} flagged {share_of(flagged, judged, 'update')}: {'; '.join(whom)}{more}."


def flags(inspected: Inspected) -> Iterator[str]:
    """Yield red flags: what is malformed, what nobody would believe, and what the checks could not judge."""
    for round_ in inspected.rounds:
        if round_.skipped:
            yield f"Round {round_.round} changed nothing: {round_.skipped}."
    if inspected.malformed:
        every = sum(len(round_.clients) for round_ in inspected.rounds)
        yield f"{share_of(inspected.malformed, every, 'update')} cannot be compared with the others; they are listed."
    for client, seen in inspected.of_clients().items():
        if wrong := [(round_, one) for round_, one in seen if _unbelievable(one)]:
            round_, one = wrong[0]
            yield f"Client {client} claims {_claim(one)} samples in round {round_.round}; claims are not weighed by."
        heavy = [(round_, one) for round_, one in seen if _outweighs(round_, one)]
        if heavy:
            round_, one = max(heavy, key=lambda pair: pair[1].share or 0)
            yield (
                f"Client {client} claims {_claim(one)} samples, {100 * (one.share or 0):.0f} % of all in round "
                f"{round_.round}: a mean by claimed samples follows it, whatever it sends."
            )
    few = [round_.round for round_ in inspected.rounds if len(round_.clients) - len(round_.faults) < FEWEST]
    if few and "distances" in inspected.checks:
        yield f"{_rounds(few).capitalize()}: fewer than {FEWEST} clients, so that distances flag nobody."


def clients(inspected: Inspected) -> Rows:
    """Return a row for each client."""
    told = any(one.examples is not None for round_ in inspected.rounds for one in round_.clients)
    head = ["client", "rounds", *(f"flagged by {name}" for name in inspected.checks), "malformed", "longest, × median"]
    typical = {round_.round: _typical(round_) for round_ in inspected.rounds}
    rows = []
    of_clients = inspected.of_clients()
    for client, seen in of_clients.items():
        longest = [
            one.norm / typical[round_.round]
            for round_, one in seen
            if one.norm is not None and typical[round_.round] > 0
        ]
        row = [client, str(len(seen))]
        row += [str(sum(name in one.flagged_by for _, one in seen)) for name in inspected.checks]
        row += [str(sum(bool(one.fault) for _, one in seen)), f"{max(longest):.2f}" if longest else ""]
        if told:
            claims = [one.share for _, one in seen if one.share is not None]
            row.append(f"{100 * max(claims):.0f} %" if claims else "")
        rows.append(row)
    if told:
        head.append("largest share of samples")
    if any(one.rejected for round_ in inspected.rounds for one in round_.clients):
        head.append("rejected")
        for row in rows:
            row.append(str(sum(one.rejected for _, one in of_clients[row[0]])))
    flagged = len(inspected.checks)
    rows.sort(key=lambda row: -sum(map(int, row[2 : 3 + flagged])))  # stable: otherwise as they appear
    return Rows("Clients, those that stand out first", head, rows)


def faults(inspected: Inspected) -> Rows:
    """Return a row for each malformed update."""
    rows = [
        [str(round_.round), client, fault] for round_ in inspected.rounds for client, fault in round_.faults.items()
    ]
    return Rows("Updates that cannot be compared", ["round", "client", "what is wrong"], rows, words=3)


def _typical(round_: InspectedRound) -> float:
    return median([one.norm for one in round_.clients if one.norm is not None] or [0.0])


def _outweighs(round_: InspectedRound, one: InspectedClient) -> bool:
    return len(round_.clients) >= LISTED and one.share is not None and one.share > HALF


def _unbelievable(one: InspectedClient) -> bool:
    count = one.examples
    return count is not None and not (isinstance(count, int | float) and isfinite(count) and count >= 0)


def _claim(one: InspectedClient) -> str:
    return f"{one.examples:,.10g}" if isinstance(one.examples, int | float) else str(one.examples)


def _rounds(numbers: list[int]) -> str:
    """Name rounds: ``round 2``, ``rounds 1 to 5``, ``rounds 1, 4, 6 and 9 others``."""
    if len(numbers) == 1:
        return f"round {numbers[0]}"
    if len(numbers) > LISTED and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"rounds {numbers[0]} to {numbers[-1]}"
    named = ", ".join(map(str, numbers[:LISTED]))
    return f"rounds {named}" + (f" and {counted(len(numbers) - LISTED, 'other')}" if len(numbers) > LISTED else "")
