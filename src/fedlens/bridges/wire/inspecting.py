"""Logged updates of any framework, put to checks: who stands out, in which round, and what each claims to have.

One round is in memory at a time. Updates that cannot be compared with the others, for they are unreadable, of other
names or shapes, or not finite, are named and left out; all others are judged without them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor

from fedlens.bridges.wire.archive import LoggedRound, LoggedUpdate, Sent, UnreadableError, logged_rounds, read_arrays
from fedlens.bridges.wire.codec import Codec, MalformedError
from fedlens.bridges.wire.judging import Checks, by_name, inspected, shares
from fedlens.core.documents import dumps
from fedlens.core.errors import RunError
from fedlens.core.files import append_bytes, lock, write_atomically
from fedlens.core.registry import describe
from fedlens.defences.detector import Detector, Inspection
from fedlens.defences.distance_ranges import DistanceCheck
from fedlens.defences.update_statistics import StatisticsCheck
from fedlens.runs.inspected import (
    HEAD,
    HEADER,
    INSPECTED,
    ROUND,
    Inspected,
    InspectedClient,
    InspectedRound,
    InspectionHead,
    read_inspected,
)

USUAL: tuple[Detector, ...] = (DistanceCheck(), StatisticsCheck())
"""The checks, where nobody says otherwise."""


def inspect_updates(
    folder: Path,
    out: Path,
    checks: Checks = USUAL,
    *,
    kind: Sent = "weights",
    anonymous: bool = False,
    observer: Callable[[InspectedRound], None] = lambda _: None,
) -> Inspected:
    """Put logged updates to checks, and write what they say into a directory that ``fedlens report`` shows.

    Args:
        folder: as `fedlens.bridges.wire.archive` describes it.
        out: the directory, new or of an earlier inspection, which is replaced.
        checks: what to put them to.
        kind: what files hold that do not say so themselves.
        anonymous: whether clients are numbered in the order in which they appear, and faults are told in a word: names
            of clients, files and arrays stay out of what is written.
        observer: called with each round.

    Raises:
        FedlensError: nothing is logged there, a check failed, or the directory cannot be written.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from fedlens.bridges.wire import inspect_updates, write_arrays
        >>> draws = np.random.default_rng(0)
        >>> for client in range(8):
        ...     sent = {"w": draws.normal(0, 1 if client else 50, 500)}
        ...     write_arrays(Path(f"updates/round-00001/client-{client}.safetensors"), sent, {"kind": "update"})
        >>> [found] = inspect_updates(Path("updates"), Path("inspections/updates")).rounds
        >>> {client.client: client.flagged_by for client in found.clients if client.flagged_by}
        {'0': ['distances', 'statistics']}
    """
    named, rounds, began = by_name(checks), logged_rounds(folder, kind), perf_counter()
    names = _Names(anonymous=anonymous)
    file_lock = lock(out, "inspection")
    try:
        for stale in (HEAD, INSPECTED):
            (out / stale).unlink(missing_ok=True)
        for logged in rounds:
            found = names.of(inspected_round(logged, named))
            append_bytes(out / INSPECTED, dumps(ROUND.dump_python(found)).encode() + b"\n")
            observer(found)
        head = InspectionHead(
            checks=[describe("checks", check) for check in named.values()],
            boundaries={name: check.boundary for name, check in named.items()},
            seconds=perf_counter() - began,
        )
        write_atomically(out / HEAD, dumps(HEADER.dump_python(head), indent=1).encode() + b"\n")
    finally:
        file_lock.release()
    return read_inspected(out)


def inspected_round(logged: LoggedRound, checks: Mapping[str, Detector]) -> InspectedRound:
    """Put a round's updates to checks.

    Raises:
        RunError: there is no update that can be read, or what the server sent is not there and needed.
        ClientError: a check failed.
    """
    codec, start = _start(logged)
    rows = torch.empty(len(logged.updates), codec.layout.size)
    good: list[LoggedUpdate] = []
    clients: dict[str, InspectedClient] = {}
    for update in logged.updates:
        try:
            if update.fault:
                raise UnreadableError(update.fault)
            row = codec.row(read_arrays(update.path))
            rows[len(good)] = row - start if update.kind == "weights" else row
        except (UnreadableError, MalformedError) as error:
            clients[update.client] = InspectedClient(update.client, str(error), update.examples)
        else:
            good.append(update)
    alpha = shares([update.examples for update in good])
    seen = Inspection(logged.number, start, rows[: len(good)], alpha, codec.layout)
    for client in inspected(checks, seen, [(update.client, update.examples) for update in good]):
        clients[client.client] = client
    return InspectedRound(
        logged.number, codec.layout.parameters.size, [clients[update.client] for update in logged.updates]
    )


def _start(logged: LoggedRound) -> tuple[Codec, Tensor]:
    """Return the way from arrays to rows, and the row of what the server sent; zeros where updates do without."""
    if not logged.updates:
        raise RunError(f"round {logged.number}: no client has sent anything; remove its folder")
    if logged.sent is not None:
        try:
            arrays = read_arrays(logged.sent)
            codec = Codec.of(arrays)
            return codec, codec.row(arrays)
        except MalformedError as error:
            raise RunError(f"{logged.sent}: {error}; without what the server sent, nothing can be compared") from None
    weights = next((update.path for update in logged.updates if update.kind == "weights"), None)
    if weights is not None:
        raise RunError(
            f"{weights}: weights tell nothing without those that the server sent: put these into "
            f"{weights.with_name(f'global{weights.suffix}')}, or say that updates are logged: --kind update"
        )
    codec = _most_common(logged)
    return codec, torch.zeros(codec.layout.size)


def _most_common(logged: LoggedRound) -> Codec:
    """Return the codec that suits most of the updates, of which each may be odd."""
    codecs: dict[object, Codec] = {}
    votes: Counter[object] = Counter()
    for update in logged.updates:
        with suppress(UnreadableError, MalformedError):
            codec = Codec.of(read_arrays(update.path))
            form = tuple((part.name, part.shape) for part in codec.layout.slices)
            codecs.setdefault(form, codec)
            votes[form] += 1
    if not votes:
        raise RunError(f"{logged.updates[0].path.parent}: none of the updates can be read; remove the folder")
    return codecs[votes.most_common(1)[0][0]]


class _Names:
    """The names of clients as they are written: their own, or numbers in the order in which they appear."""

    def __init__(self, *, anonymous: bool) -> None:
        self.anonymous = anonymous
        self.numbers: dict[str, str] = {}

    def of(self, found: InspectedRound) -> InspectedRound:
        """Return the round with the names that are written."""
        return replace(found, clients=[self._renamed(client) for client in found.clients]) if self.anonymous else found

    def _renamed(self, client: InspectedClient) -> InspectedClient:
        number = self.numbers.setdefault(client.client, str(len(self.numbers) + 1))
        return replace(client, client=number, fault="malformed" if client.fault else "")
