"""Every rule and every other stage of the registry, as something to time: its turn in a round of a server's chain."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any

import torch
from torch import Tensor

from fedlens.core.layout import Layout, Slice
from fedlens.core.random import Address
from fedlens.core.registry import BUILT_IN, resolve
from fedlens.defences.adapters import as_stage
from fedlens.defences.chain import Chain
from fedlens.defences.norm_clipping import norms
from fedlens.defences.stage import Server, Stage, State, Updates

OPTIONS: Mapping[str, dict[str, Any]] = {
    "norm-clipping": {"max_norm": 1},
    "clip": {"max_norm": 1},
    "rlr": {"theta": 4},
}
"""Options, besides f, that have no default."""

ROUNDS = {"flanders": 13, "fldetector": 12}
"""How many rounds it takes until a stage keeps as much as it ever will, where that is more than 2."""


@dataclass(frozen=True)
class Rounds:
    """A stage's work in the same round, as often as it is called; it may write into the rows."""

    stage: Stage
    updates: Updates
    server: Server
    state: State

    def __call__(self) -> State:
        """Do the work, and return what is kept of it."""
        return self.stage.apply(self.updates, self.server, self.state)[1]

    def new_bytes(self, after: State) -> int:
        """How much of a state is not of the one before."""
        old = {tensor.data_ptr() for tensor in tensors(self.state)}
        return sum(tensor.nbytes for tensor in tensors(after) if tensor.data_ptr() not in old)


def every_defence(updates: Tensor, f: int, only: Collection[str] | None) -> tuple[dict[str, Rounds], dict[str, str]]:
    """What can be timed on these rows, by name, and why others cannot."""
    found: dict[str, Rounds] = {}
    left_out: dict[str, str] = {}
    for kind in ("aggregation", "stage"):
        for name in BUILT_IN[kind]:
            if only and name not in only:
                continue
            told = {"f": f} if "f" in resolve(kind, name).model_fields else {}
            stage = as_stage(Chain.of([{"name": name} | told | OPTIONS.get(name, {})]).stages[0])
            if stage.needs_model:
                left_out[name] = "takes as long as the forward passes of the model that it asks"
            elif stage.needed(1) > len(updates):
                left_out[name] = f"needs {stage.needed(1)} updates"
            else:
                found[name] = late_round(stage, updates, ROUNDS.get(name, 2))
    return found, left_out


def late_round(stage: Stage, rows: Tensor, rounds: int) -> Rounds:
    """The stage's turn in the last of so many rounds; a server optimizer gets one row."""
    if stage.kind == "optimizer":
        rows = rows[:1]
    count, size = rows.shape
    columns = isqrt(size)
    weights = columns * (size // columns - 1)
    layout = Layout(
        (
            Slice("weight", "", "weight", 0, weights, (weights // columns, columns)),
            Slice("bias", "", "bias", weights, size, (size - weights,)),
        )
    )
    alpha = torch.full((count,), 1 / count, dtype=torch.float64)
    model = torch.randn(size, generator=torch.Generator().manual_seed(1))
    root, lengths, state = rows.mean(dim=0), norms(rows), stage.init(layout)
    for number in range(1, rounds + 1):
        address, clients = Address.root(number), tuple(range(count))
        server = Server(number, model.roll(number), layout, clients, address, root, lengths)
        if number < rounds:
            _, state, _ = stage.apply(Updates.received(rows.roll(number, dims=1), alpha), server, state)
    received = Updates.received(rows, alpha)
    return Rounds(stage, Updates(received.rows, received.weights, received.mixture, owned=True), server, state)


def tensors(state: State) -> Iterator[Tensor]:
    """Everything in a state."""
    yield from state.tensors.values()
    for kept in state.clients.values():
        yield from kept.values()
