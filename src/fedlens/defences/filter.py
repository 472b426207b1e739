"""Filters: stages that score every row, and drop those that they flag or only say which they are."""

from __future__ import annotations

from typing import ClassVar, Literal

from typing_extensions import override

from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates


class Filter(Stage):
    """A filter's description; derive from it to bring your own, and write `judge`.

    Attributes:
        action: ``reject`` drops flagged rows; ``observe`` keeps all, and records scores and decisions.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Filter, Report, Server, State, Updates
        >>> class Long(Filter):
        ...     limit: float = 5.0
        ...     def judge(self, updates, server, state):
        ...         lengths = updates.rows.norm(dim=1)
        ...         return Report(lengths, lengths > self.limit), state
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> updates = Updates.received(torch.tensor([[1.0], [7.0]]), torch.tensor([0.5, 0.5]).double())
        >>> server = Server(1, torch.zeros(1), layout, (0, 1), Address.root(0))
        >>> [len(Long(action=action).apply(updates, server, State())[0].rows) for action in ("reject", "observe")]
        [1, 2]
    """

    kind: ClassVar[Kind] = "filter"
    averages: ClassVar[bool] = True

    action: Literal["reject", "observe"] = "reject"

    def judge(self, updates: Updates, server: Server, state: State) -> tuple[Report, State]:
        """Score and flag the rows, and return what it keeps; it must not write into them."""
        raise NotImplementedError

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        report, state = self.judge(updates, server, state)
        if self.action == "observe" or report.flagged is None:
            return updates, state, report
        kept = [row for row, flagged in enumerate(report.flagged.tolist()) if not flagged]
        return updates.keep(kept), state, report
