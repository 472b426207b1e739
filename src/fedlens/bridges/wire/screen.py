"""A screen in front of somebody's aggregator: who gets through in a round, and what is said of the rest.

It is shown what the server sent and what came back, and tells which replies to pass on. Replies that are errors,
malformed or not finite are dropped and named, before any check sees them; then those that a check with
``action="reject"`` flags. If too few are left, all are held back, so that the model stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from fedlens.bridges.wire.archive import GLOBAL, round_folder, write_arrays
from fedlens.bridges.wire.codec import Arrays, Codec, MalformedError
from fedlens.bridges.wire.judging import Checks, by_name, inspected, shares
from fedlens.core.documents import dumps
from fedlens.core.errors import ConfigError, shortened
from fedlens.core.files import append_bytes
from fedlens.defences.detector import Inspection
from fedlens.runs.inspected import ROUND, InspectedClient, InspectedRound


@dataclass(frozen=True)
class Reply:
    """What a client sent back.

    Attributes:
        client: its name.
        arrays: its weights.
        examples: on how many samples it says that it trained; ``None`` where it does not say so.
        fault: why it is dropped, if that is known already.

    Example:
        >>> from fedlens.bridges.wire import Reply
        >>> Reply("7", {}, 250).fault
        ''
    """

    client: str
    arrays: Arrays = field(default_factory=dict)
    examples: object = None
    fault: str = ""


@dataclass(frozen=True)
class Passed:
    """What gets through.

    Attributes:
        kept: the places of replies that are passed on, in their order; empty if the model should stay as it is.
        examples: the claim of each of these, at most the screen's cap; ``None`` where there was none.
        rows: their updates, shape ``[k, d]``.
        found: what was found.

    Example:
        >>> import numpy as np
        >>> from fedlens.bridges.wire import Reply, Screen
        >>> screen, weights = Screen([], cap=2), {"w": np.zeros(2)}
        >>> odd = Reply("2", {"w": np.array([1.0, np.nan])}, 10)
        >>> good = [Reply(name, weights, n) for name, n in (("1", 10), ("3", 900), ("4", 12))]
        >>> passed = screen.passed(1, weights, [*good, odd])
        >>> passed.kept, passed.examples, passed.found.faults
        ([0, 1, 2], [10.0, 24.0, 12.0], {'2': 'entry 1 of w is NaN'})
    """

    kept: list[int]
    examples: list[float | None]
    rows: Tensor
    found: InspectedRound


class Screen:
    """A screen, which keeps nothing from round to round but its files.

    Args:
        checks: those with ``action="reject"`` hold back what they flag, the others only tell.
        log: a file of lines that ``fedlens report`` shows, a round each; it is added to.
        record: a folder in which everything that is sent is kept (`fedlens.bridges.wire.archive`).
        cap: no claim counts for more than so many times the median of the round's; ``None`` for no limit.
        least: the fewest replies that are passed on.

    Raises:
        ConfigError: a check needs samples, which updates do not bring along, or `cap` or `least` is less than 1.

    Example:
        >>> import numpy as np
        >>> from fedlens.bridges.wire import Reply, Screen
        >>> from fedlens.defences import DistanceCheck
        >>> screen, draws = Screen([DistanceCheck(action="reject")]), np.random.default_rng(0)
        >>> replies = [Reply(str(client), {"w": draws.normal(0, 1 if client else 50, 500)}) for client in range(8)]
        >>> screen.passed(1, {"w": np.zeros(500)}, replies).kept
        [1, 2, 3, 4, 5, 6, 7]
    """

    def __init__(
        self,
        checks: Checks,
        *,
        log: str | Path | None = None,
        record: str | Path | None = None,
        cap: float | None = None,
        least: int = 1,
    ) -> None:
        if cap is not None and not (isfinite(cap) and cap >= 1):
            raise ConfigError(f"cap: a number of at least 1 is needed, not {shortened(cap)}; e.g. cap=2.0")
        if least < 1:
            raise ConfigError(f"least: is {least}; at least one reply is needed, e.g. least=5")
        self.checks = by_name(checks)
        self.log, self.record = (None if path is None else Path(path) for path in (log, record))
        self.cap, self.least = cap, least
        if self.log is not None:
            self.log.parent.mkdir(parents=True, exist_ok=True)

    def passed(self, round_: int, sent: Arrays, replies: Sequence[Reply]) -> Passed:
        """Return what gets through in a round.

        Args:
            round_: its number.
            sent: what the server sent.
            replies: what came back, weights as the server's.

        Raises:
            MalformedError: what the server sent is no model of finite numbers.
            ClientError: a check failed.
        """
        codec = Codec.of(sent)
        start = codec.row(sent)
        if self.record is not None:
            self._keep(round_, sent, replies)
        rows = torch.empty(len(replies), codec.layout.size)
        good: list[int] = []
        faults: dict[int, str] = {}
        for place, reply in enumerate(replies):
            try:
                _require(reply)
                rows[len(good)] = codec.row(reply.arrays) - start
            except MalformedError as error:
                faults[place] = str(error)
            else:
                good.append(place)
        updates = rows[: len(good)]
        claims = self._capped([replies[place].examples for place in good])
        seen = Inspection(round_, start, updates, shares(claims), codec.layout)
        noted = [(replies[place].client, _noted(replies[place].examples)) for place in good]
        rejecting = {name for name, check in self.checks.items() if check.action == "reject"}
        clients: dict[int, InspectedClient] = {
            place: InspectedClient(replies[place].client, fault, _noted(replies[place].examples), rejected=True)
            for place, fault in faults.items()
        }
        through: list[int] = []
        for row, client in enumerate(inspected(self.checks, seen, noted)):
            rejected = not rejecting.isdisjoint(client.flagged_by)
            if not rejected:
                through.append(row)
            clients[good[row]] = replace(client, rejected=rejected)
        skipped = None
        if len(through) < self.least:
            skipped = f"{len(through)} of {len(replies)} replies are left, and {self.least} are needed"
        found = InspectedRound(
            round_, codec.layout.parameters.size, [clients[place] for place in range(len(replies))], skipped
        )
        if self.log is not None:
            append_bytes(self.log, dumps(ROUND.dump_python(found)).encode() + b"\n")
        if skipped is not None:
            through = []
        return Passed([good[row] for row in through], [claims[row] for row in through], updates[through], found)

    def _capped(self, examples: Sequence[object]) -> list[float | None]:
        """Return claims as they count."""
        claims = [float(count) if isinstance(count, int | float) else None for count in examples]
        told = [count for count in claims if count is not None]
        if self.cap is None or not told:
            return claims
        most = self.cap * median(told)
        return [None if count is None else min(count, most) for count in claims]

    def _keep(self, round_: int, sent: Arrays, replies: Sequence[Reply]) -> None:
        assert self.record is not None
        folder = round_folder(self.record, round_)
        write_arrays(folder / f"{GLOBAL}.safetensors", sent, {})
        for place, reply in enumerate(replies):
            if reply.arrays:
                plain = reply.client if reply.client.replace("-", "").isalnum() else f"reply-{place}"
                facts = {"client": reply.client}
                facts |= {} if reply.examples is None else {"examples": str(reply.examples)}
                write_arrays(folder / f"client-{plain}.safetensors", reply.arrays, facts)


def _require(reply: Reply) -> None:
    """Refuse a reply that is dropped whatever its arrays are."""
    if reply.fault:
        raise MalformedError(reply.fault)
    count = reply.examples
    if count is None:
        return
    if isinstance(count, bool) or not isinstance(count, int | float):
        raise MalformedError(f"it claims {shortened(count)} samples; a number is right")
    if not isfinite(count) or count < 0:
        raise MalformedError(f"it claims {count} samples")


def _noted(examples: object) -> str | float | None:
    """Return a claim as a record holds it."""
    return examples if examples is None or isinstance(examples, int | float) else shortened(examples)
