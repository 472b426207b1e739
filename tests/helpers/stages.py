"""Tiny stages of a server's chain, for tests, and a federation whose server keeps both kinds of state."""

from typing import ClassVar

import torch
from small import small

from fedlens.core.layout import Layout
from fedlens.defences.detector import Detector, Inspection, Verdict
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates


class Pairs(Stage):
    """Means of neighbours; counts its rounds, and what it has seen of each client."""

    kind: ClassVar[Kind] = "mixing"

    def needed(self, following: int) -> int:
        return 2 * following

    def init(self, layout: Layout) -> State:
        return State({"rounds": torch.zeros(())})

    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        count = len(updates.rows) // 2
        matrix = torch.zeros(count, len(updates.rows), dtype=torch.float64)
        for row in range(count):
            matrix[row, 2 * row : 2 * row + 2] = 0.5
        seen = {client: {"round": torch.tensor(server.round)} for client in server.clients}
        kept = State({"rounds": state.tensors["rounds"] + 1}, {**state.clients, **seen})
        return updates.mixed(matrix), kept, Report()


class Scale(Stage):
    """Every row times a factor."""

    kind: ClassVar[Kind] = "mixing"
    factor: float

    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        matrix = self.factor * torch.eye(len(updates.rows), dtype=torch.float64)
        return updates.mixed(matrix), state, Report()


class Long(Detector):
    """Flags what is longer than the limit."""

    limit: float

    def inspect(self, seen: Inspection) -> Verdict:
        lengths = seen.updates.norm(dim=1).double()
        return Verdict(lengths, lengths > self.limit, {"length": lengths.tolist()})


class First(Rule):
    """The first update, or one of which nobody knows the shares."""

    tells: bool = True

    def aggregate(self, received: Received) -> Aggregate:
        shares = torch.zeros(len(received.updates)).double()
        shares[0] = 1
        count = received.state.get("count", torch.zeros(())) + 1
        return Aggregate(received.updates[0], shares if self.tells else None, {"count": count})


class Doubles(Stage):
    """A server optimizer: twice the step."""

    kind: ClassVar[Kind] = "optimizer"

    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        return updates.mixed(torch.full((1, 1), 2.0)), state, Report()


class Refuses(Stage):
    """Says that nothing should be done."""

    kind: ClassVar[Kind] = "mixing"

    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        return updates, State({"new": torch.ones(1)}), Report(skipped="no trust today")


class Draws(Stage):
    """Tells what it draws."""

    kind: ClassVar[Kind] = "mixing"

    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        drawn = torch.from_numpy(server.address.generator().standard_normal(len(updates.rows)))
        return updates, state, Report(scores=drawn)


class Remembers(Stage):
    """Adds up each client's updates, keeps an average of all, and sends a mix of both."""

    kind: ClassVar[Kind] = "mixing"

    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        mine = dict(zip(server.clients, updates.rows, strict=True))
        sums = {client: {"sum": row + state.clients.get(client, {}).get("sum", 0)} for client, row in mine.items()}
        rows = torch.stack([0.5 * row + 0.1 * sums[client]["sum"] for client, row in mine.items()])
        kept = State({"mean": state.tensors.get("mean", 0) + rows.mean(0)}, {**state.clients, **sums})
        return Updates(rows, updates.weights, None), kept, Report()


FORGETFUL = small(
    name="forgetful", aggregation=[Remembers(), First(tells=False)], clients=6, fraction=0.5, rounds=6, attack=None,
    control=False,
)  # fmt: skip


class Trusts(Stage):
    """Sends the server's own update alone, and scores by how far each update is from it."""

    kind: ClassVar[Kind] = "mixing"
    needs_root: ClassVar[bool] = True

    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        assert server.root is not None
        scores = (updates.rows - server.root).norm(dim=1).double()
        return Updates(server.root[None].clone(), torch.ones(1).double(), None), state, Report(scores)
