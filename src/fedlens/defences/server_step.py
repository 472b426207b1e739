"""A server's step: from a round's updates to the change of the global model, by a chain of stages.

It is a pure function of its arguments, which a simulator, an audit of logged updates and a notebook call alike. Where
too little is left for a stage, or a stage says so, the model stays as it is, and so does all that the stages keep.
Stages see the parameters of updates alone; what becomes of other entries is in `fedlens.defences.buffers`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fedlens.core.lazy import torch
from fedlens.defences.adapters import RuleStage, link_of
from fedlens.defences.buffers import BuffersError, buffers_of, combined_buffers, parameters_of
from fedlens.defences.links import title
from fedlens.defences.norm_clipping import norms
from fedlens.defences.rule import checked_least
from fedlens.defences.stage import Report, Server, Stage, State, Updates

if TYPE_CHECKING:
    from torch import Tensor


Outcome = tuple[Updates, State, Report]
"""What a stage returns."""

Apply = Callable[[Stage, Updates, Server, State], Outcome]
"""Applies a stage."""


@dataclass(frozen=True)
class Judgement:
    """What a stage said of the rows that it got, and whose these were.

    Attributes:
        report: what it said.
        rows: for each of these rows, the update received that it is made of; ``None`` if of several, or if nobody
            knows.
        dropped: updates received of which a row had something before a filter, and none has anything afterwards.

    Example:
        >>> import torch
        >>> from fedlens.defences import Judgement, Report
        >>> judgement = Judgement(Report(flagged=torch.tensor([False, True])), rows=(0, 1), dropped=(1,))
        >>> judgement.dropped
        (1,)
    """

    report: Report
    rows: tuple[int | None, ...]
    dropped: tuple[int, ...] = ()


@dataclass(frozen=True)
class Step:
    """What a server makes of a round's updates.

    Attributes:
        update: change of the global weights, shape ``[d]``; zero if skipped.
        effective_weights: how much of each update received is in it, shape ``[n]``; ``None`` if no such numbers exist.
        states: what each stage keeps for the next round.
        judgements: what each stage said that was reached.
        skipped: why the model stays as it is, if so.

    Example:
        >>> import torch
        >>> from fedlens.defences import Step
        >>> Step(torch.zeros(2), torch.zeros(3).double(), (), (), "0 of 3 updates were left for mean").skipped
        '0 of 3 updates were left for mean'
    """

    update: Tensor
    effective_weights: Tensor | None
    states: tuple[State, ...]
    judgements: tuple[Judgement, ...]
    skipped: str | None = None


def applied(stage: Stage, updates: Updates, server: Server, state: State) -> Outcome:
    """Return what a stage makes of these updates."""
    return stage.apply(updates, server, state)


def server_step(
    chain: Sequence[Stage], updates: Updates, server: Server, states: Sequence[State], apply: Apply = applied
) -> Step:
    """Return what a server makes of a round's updates.

    Args:
        chain: the stages, one of which is a rule (`fedlens.defences.chain.Chain.whole`).
        updates: what was received: parameters, and behind them the buffers that training changes, if there are any.
        server: what else the server has.
        states: what each stage has kept, in a first round `Stage.init`.
        apply: applies a stage.

    Raises:
        BuffersError: there are such buffers, and the chain leaves no way to combine them.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Chain, Server, Updates, server_step
        >>> chain = Chain.of("median").whole
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> updates = Updates.received(torch.tensor([[1.0], [3.0], [9.0]]), torch.ones(3).double() / 3)
        >>> server = Server(1, torch.zeros(1), layout, (4, 5, 6), Address.root(0))
        >>> step = server_step(chain, updates, server, [stage.init(layout) for stage in chain])
        >>> step.update, step.effective_weights
        (tensor([3.]), tensor([0., 1., 0.], dtype=torch.float64))
    """
    layout = server.layout.buffers
    count = updates.rows.shape[1] - layout.size
    needs, present = needed(chain), replace(updates, rows=updates.rows[:, :count]) if layout.size else updates
    seen = parameters_of(server, count) if layout.size else server
    if any(stage.needs_lengths for stage in chain):
        seen = replace(seen, lengths=norms(present.rows))
    buffers = torch.zeros_like(server.weights[count:])
    kept: list[State] = []
    judgements: list[Judgement] = []

    def unchanged(reason: str) -> Step:
        none = torch.zeros(len(updates.rows), dtype=torch.float64, device=updates.rows.device)
        return Step(torch.zeros_like(server.weights), none, tuple(states), tuple(judgements), reason)

    for index, (stage, state) in enumerate(zip(chain, states, strict=True)):
        if len(present.rows) < needs[index]:
            return unchanged(
                f"{len(present.rows)} of {len(updates.rows)} updates were left for {title(link_of(stage))}, "
                f"and {needs[index]} are needed"
            )
        address = server.address if isinstance(stage, RuleStage) else server.address.at("stage", index)
        after, state_after, report = apply(stage, present, replace(seen, address=address), state)
        judgements.append(judgement(stage, report, present, after))
        if report.skipped is not None:
            return unchanged(report.skipped)
        kept.append(state_after)
        if stage.kind == "rule" and layout.size:
            others = buffers_of(replace(server, address=address), layout)
            try:
                buffers = combined_buffers(stage, present, after, updates.rows[:, count:], others, apply=apply)
            except BuffersError as error:
                raise BuffersError(f"{title(link_of(stage))} {error}") from None
        present = after
    weights = present.effective_weights
    known = weights is not None and bool(weights.isfinite().all())
    update = torch.cat([present.rows[0], buffers]) if layout.size else present.rows[0]
    return Step(update, weights if known else None, tuple(kept), tuple(judgements))


def needed(chain: Sequence[Stage]) -> list[int]:
    """Return the least number of rows that each stage has to get so that the last one leaves a row.

    Raises:
        ConfigError: a custom stage says no number of rows, or failed.
    """
    counts: list[int] = []
    following = 1
    for stage in reversed(chain):
        name, after = type(stage).__name__, following

        def tell(stage: Stage = stage, after: int = after) -> int:
            return stage.needed(after)

        following = max(checked_least(f"needed of {name}", tell, type(stage), name), 1)
        counts.append(following)
    return counts[::-1]


def judgement(stage: Stage, report: Report, before: Updates, after: Updates) -> Judgement:
    """Attribute what a stage said of its rows to the updates received."""
    if report.scores is None and report.flagged is None and len(after.rows) == len(before.rows):
        return Judgement(report, ())
    if stage.kind != "filter" or before.mixture is None or after.mixture is None:
        return Judgement(report, before.sources)
    gone = (before.mixture != 0).any(dim=0) & ~(after.mixture != 0).any(dim=0)
    return Judgement(report, before.sources, tuple(gone.nonzero()[:, 0].tolist()))
