"""The job of a team of attackers, which read updates that others have filled and overwrite their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from fedlens.attacks.attack import View
from fedlens.attacks.team import Crafted, Team
from fedlens.core.errors import ClientError, named
from fedlens.core.given import faults_of_tensors
from fedlens.core.origin import at
from fedlens.core.random import seeded
from fedlens.simulation.engines.context import SharedTensors, WorkerContext
from fedlens.simulation.engines.jobs import MaliciousJob, member_of


@dataclass(frozen=True)
class TeamJob:
    """The updates of all attackers of a round, whose rows hold what they would send if they were honest.

    Attributes:
        members: the attackers in the cohort, by row.
        cohort: number of clients in the round; the first shared rows are theirs.
        state: what the team kept of earlier rounds.
        clients: the cohort's numbers, by row; by default the rows'.
    """

    members: tuple[MaliciousJob, ...]
    cohort: int
    state: Mapping[str, Tensor]
    clients: tuple[int, ...] = ()
    cost = inf
    reads = None

    @property
    def name(self) -> str:
        """The job's name for error messages."""
        clients = ", ".join(str(member.client) for member in self.members)
        return f"malicious clients {clients} in round {self.members[0].round}"

    @property
    def colludes(self) -> bool:
        """Whether the members' updates are made together."""
        return self.members[0].attack.colludes

    def fills(self, shared: SharedTensors) -> list[Tensor]:
        """Return views of the shared tensors that it fills."""
        return [shared.updates[member.row] for member in self.members]

    def run(self, context: WorkerContext) -> dict[str, Any]:
        """Let the team craft its updates; return what each member logs, and what the team keeps."""
        updates, state = context.shared.updates[: self.cohort].clone(), self.state
        if self.colludes:
            sent, state = self._colluding(context, updates)
        else:
            sent = [member.crafted(context, self._others(member, updates)) for member in self.members]
        logs = [member.send(context, *sent_) for member, sent_ in zip(self.members, sent, strict=True)]
        return {"members": logs, "state": state}

    def _others(self, member: MaliciousJob, updates: Tensor) -> Tensor:
        """Copy the rows of `updates` that a member sees: those of its team, or all, but for its own."""
        ours = [member.row for member in self.members]
        seen = ours if member.attack.sight == "team" else range(len(updates))
        return updates[[row for row in seen if row != member.row]]

    def _colluding(
        self, context: WorkerContext, updates: Tensor
    ) -> tuple[list[tuple[Tensor, View, str | None]], Mapping[str, Tensor]]:
        """Return what each member sends, its view, and why it waited if it did; and what the team keeps."""
        sent: dict[int, tuple[Tensor, View, str | None]] = {}
        views: dict[int, View] = {}
        for member in self.members:
            view = member.view(context)
            with seeded(view.address.at("global")):
                reason = member.waits(view)
                if reason:
                    sent[member.row] = view.train(), view, reason
                else:
                    views[member.row] = member.poisoned(view)
        if not views:
            return list(sent.values()), self.state
        team = self._team(context, updates, views)
        with seeded(team.address.at("global")):
            crafted: object = self.members[0].attack.collude(team)
        rows, state = self._checked(crafted, team)
        sent |= {row: (update, views[row], None) for row, update in zip(views, rows, strict=True)}
        return [sent[member.row] for member in self.members], state

    def _team(self, context: WorkerContext, updates: Tensor, views: Mapping[int, View]) -> Team:
        """Return what the members with these `views` have together, by row."""
        first = next(iter(views.values()))
        attack, assumed = self.members[0].attack, self.members[0].assumed
        alphas = {row: view.alpha for row, view in views.items()}
        address = context.root.at("team", first.round)
        others = [row for row in range(len(updates)) if row not in views]
        sees_all, clients = attack.sight == "all", self.clients or range(len(updates))
        return Team(
            round=first.round,
            received=first.received,
            members=tuple(map(member_of, views.values())),
            honest=updates[list(views)],
            others=updates[others] if sees_all else None,
            cohort=len(updates),
            auxiliary=first.auxiliary,
            local=first.local,
            network=first.network,
            address=address,
            state={name: tensor.clone() for name, tensor in self.state.items()},
            server=None
            if assumed is None
            else assumed.server(first.round, first.received, first.network.layout, alphas, address),
            senders=tuple(clients[row] for row in others) if sees_all else None,
        )

    def _checked(self, crafted: object, team: Team) -> tuple[Sequence[Tensor], Mapping[str, Tensor]]:
        """Return the update of each member, and the state, that a team crafted.

        Rows of another shape are malformed to the server, and so are all where their number is not that of the members.

        Raises:
            ClientError: they are no updates or no state at all.
        """
        where = f"{self.name}: collude{at(self.members[0].attack.collude)}"
        if not isinstance(crafted, Crafted):
            raise ClientError(f"{where} returned {named(crafted)}; return Crafted(updates)")
        updates, shape = crafted.updates, tuple(team.honest.shape)
        if type(updates) not in {Tensor, nn.Parameter}:
            raise ClientError(
                f"{where} sent {named(updates)}; a tensor of shape {shape} is right, a row for each member"
            )
        count = len(team.members)
        rows = list(updates) if updates.dim() > 1 and len(updates) == count else [updates[None]] * count
        if wrong := next(faults_of_tensors(crafted.state), ""):
            raise ClientError(f"{where} keeps {wrong}")
        return rows, {word: torch.clone(tensor.detach()) for word, tensor in crafted.state.items()}
