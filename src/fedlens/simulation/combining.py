"""The server's chain at work on the updates that passed the checks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from fedlens.core.errors import ClientError
from fedlens.core.layout import Layout
from fedlens.defences.adapters import RuleStage, link_of
from fedlens.defences.buffers import BuffersError
from fedlens.defences.buffers_tried import REMEDY
from fedlens.defences.links import title
from fedlens.defences.server_step import Judgement, needed, server_step
from fedlens.defences.stage import Server, Stage, State, Updates
from fedlens.runs.record import CheckRecord, ClippingRecord
from fedlens.runs.state import FORMER
from fedlens.simulation.guarded import begun, guarded
from fedlens.simulation.receiving import gathered, renormalised


@dataclass(frozen=True)
class Combined:
    """What became of a round's updates.

    Attributes:
        update: what is added to the global weights, shape ``[d]``.
        shares: weight that each client's update got, 0 for a rejected one; ``None`` where the chain cannot tell.
        states: what the stages keep for the next round, by their positions and names.
        skipped: why the global model stays as it is, if it does.
        checks: what the chain said of each update, by the names of its stages.
        dropped: rows of the updates that a filter of the chain dropped.
        clipping: what stages that clip did, by their positions and names.
    """

    update: Tensor
    shares: list[float] | None
    states: Mapping[str, State]
    skipped: str | None = None
    checks: list[dict[str, CheckRecord]] = field(default_factory=list)
    dropped: frozenset[int] = frozenset()
    clipping: Mapping[str, ClippingRecord] = field(default_factory=dict)


def combine(
    chain: Sequence[Stage], received: Updates, rows_kept: list[int], server: Server, kept: Mapping[str, State],
    *, timeout: float | None = None,
) -> Combined:  # fmt: skip
    """Aggregate `rows_kept`, whose weights are renormalised; leave the model alone where the chain needs more.

    The rows are moved together within the updates, which are not what they were afterwards.

    Of updates whose squares are out of range, what a stage gives may be so, too: the global model is destroyed then.

    Args:
        chain: the stages.
        received: what was received.
        rows_kept: the rows that passed the checks.
        server: what else the server has; of its clients, those whose updates were received.
        kept: what the stages kept in the round before.
        timeout: seconds that each stage may take.

    Raises:
        ClientError: a stage failed, or gave nothing that one could go on with.
    """
    names, count = names_of(chain), len(received.rows)
    if (wrong := _missing(chain, len(rows_kept), count, server)) is not None:
        return Combined(torch.zeros_like(server.weights), [0.0] * count, kept, wrong, [{} for _ in range(count)])
    states = [_found(name, stage, kept, server.layout.parameters, timeout) for name, stage in names.items()]
    clients = tuple(server.clients[row] for row in rows_kept)
    updates = Updates.received(gathered(received.rows, rows_kept), renormalised(received.weights, rows_kept))
    try:
        step = server_step(chain, updates, replace(server, clients=clients), states, partial(guarded, timeout=timeout))
    except BuffersError as error:
        raise ClientError(f"{error}, in round {server.round}; {REMEDY}") from None
    shares = None
    if step.effective_weights is not None:
        shares = [0.0] * count
        for row, share in zip(rows_kept, step.effective_weights.tolist(), strict=True):
            shares[row] = share
    checks: list[dict[str, CheckRecord]] = [{} for _ in range(count)]
    for stage, judgement in zip(chain, step.judgements, strict=False):
        for row, check in _said(judgement).items():
            checks[rows_kept[row]][title(link_of(stage))] = check
    dropped = frozenset(rows_kept[row] for judgement in step.judgements for row in judgement.dropped)
    clipping = {
        name: clipped
        for name, judgement in zip(names, step.judgements, strict=False)
        if (clipped := _clipping(judgement)) is not None
    }
    states_after = kept if step.skipped is not None else dict(zip(names, step.states, strict=True))
    return Combined(step.update, shares, states_after, step.skipped, checks, dropped, clipping)


def names_of(chain: Sequence[Stage]) -> dict[str, Stage]:
    """Return the stages by their positions and names, as in ``0.krum``."""
    return {f"{index}.{title(link_of(stage))}": stage for index, stage in enumerate(chain)}


def _clipping(judgement: Judgement) -> ClippingRecord | None:
    """Sum up what a stage clipped; ``None`` of one that does not clip."""
    details = judgement.report.details
    clipped, lengths = ([n for n in details.get(name, []) if not isinstance(n, list)] for name in ("clipped", "length"))
    if judgement.report.scores is not None or not clipped or not lengths:
        return None
    return ClippingRecord(sum(map(bool, clipped)), max(lengths))


def _found(name: str, stage: Stage, kept: Mapping[str, State], layout: Layout, timeout: float | None) -> State:
    """Return what a stage kept in the round before, or what it begins with."""
    if name not in kept and isinstance(stage, RuleStage) and FORMER in kept:
        return kept[FORMER]
    return kept[name] if name in kept else begun(stage, layout, timeout)


def _missing(chain: Sequence[Stage], left: int, count: int, server: Server) -> str | None:
    """Say why the chain cannot begin, if it cannot."""
    if left < (least := needed(chain)[0]):
        what = "rule" if len(chain) == 1 else "chain"
        return f"{left} of {count} updates passed the checks, and the {what} needs {least}"
    if server.root is not None and not bool(server.root.isfinite().all()):
        return "the update that the server trained on its root samples is not finite"
    return None


def _said(judgement: Judgement) -> dict[int, CheckRecord]:
    """Return what a stage said of updates that make up a row each; one without scores gives 1 to the flagged."""
    scores, flagged = judgement.report.scores, judgement.report.flagged
    if scores is None and flagged is None:
        return {}
    marks = [False] * len(judgement.rows) if flagged is None else flagged.tolist()
    numbers = [float(mark) for mark in marks] if scores is None else scores.tolist()
    return {
        row: CheckRecord(
            float(numbers[place]),
            marks[place],
            {name: column[place] for name, column in judgement.report.details.items()},
        )
        for place, row in enumerate(judgement.rows)
        if row is not None
    }
