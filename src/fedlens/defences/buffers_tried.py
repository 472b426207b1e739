"""A chain tried on made-up updates before anything runs: whether it could combine buffers that training changes."""

from __future__ import annotations

from fedlens.core.custom import is_custom
from fedlens.core.layout import Layout
from fedlens.core.lazy import torch
from fedlens.core.random import Address, seeded
from fedlens.defences.buffers import BuffersError
from fedlens.defences.chain import Chain
from fedlens.defences.server_step import server_step
from fedlens.defences.stage import Server, Updates

REMEDY = (
    "let it return Aggregate(update, shares), or write coordinatewise = True into its class if it makes each entry of "
    "the same entries alone; or let clients keep their own, -o local.buffers=local; or take a model without running "
    "statistics, as with GroupNorm"
)


def why_not_combined(chain: Chain, layout: Layout, clients: int) -> str | None:
    """Say why the chain cannot combine the buffers of so many clients, if it cannot; ours all can.

    A chain that fails otherwise on updates that nobody has sent may do better in a round.
    """
    if not layout.buffers.size or not any(is_custom(component) for component in chain.stages):
        return None
    rows = torch.randn(clients, layout.size, generator=torch.Generator().manual_seed(0))
    root, alpha = Address.root(0), torch.full((clients,), 1 / clients, dtype=torch.float64)
    server = Server(1, torch.zeros(layout.size), layout, tuple(range(clients)), root, rows[0].clone())
    try:
        with seeded(root):
            states = [stage.init(layout.parameters) for stage in chain.whole]
            server_step(chain.whole, Updates.received(rows, alpha), server, states)
    except BuffersError as error:
        return f"{error}; {REMEDY}"
    except Exception:
        return None
    return None
