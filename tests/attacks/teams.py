"""Teams made by hand, and what becomes of what they send; shared by tests of attacks that collude."""

from collections.abc import Mapping, Sequence
from functools import cache
from math import prod
from typing import Any

import torch
from attacker import ADDRESS, look
from small import small
from torch import Tensor, nn

from fedlens.attacks.attack import Attack
from fedlens.attacks.team import Member, Team
from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.defences.chain import Chain
from fedlens.goals.target_samples import Target
from fedlens.models.model import Model
from fedlens.models.network import Network
from fedlens.simulation.engines.assumed_chain import Assumption
from fedlens.simulation.simulation import simulate
from fedlens.training.local import LocalTraining

Rows = Sequence[Sequence[float]] | Tensor
TEAM_ADDRESS = Address.root(9).at("team", 1)


def rows_of(rows: Rows) -> Tensor:
    return rows if isinstance(rows, Tensor) else torch.tensor(rows, dtype=torch.float32)


def a_team(
    honest: Rows,
    others: Rows | None = None,
    *,
    cohort: int | None = None,
    rule: Any = None,
    state: Mapping[str, Tensor] | None = None,
    network: Network | None = None,
    **changes: Any,
) -> Team:
    """A team that would send `honest`, in a cohort with `others`; all weights are equal."""
    mine, view = rows_of(honest), look()
    seen = None if others is None else rows_of(others)
    clients = cohort or len(mine) + (0 if seen is None else len(seen))
    size = mine.shape[1]
    network = network or Network(nn.Linear(size, 1, bias=False))
    server = None
    if rule is not None:
        alphas = dict.fromkeys(range(clients - len(mine), clients), 1 / clients)
        assumption, weights = Assumption(Chain.of(rule), clients), torch.zeros(size).to(mine.dtype)
        server = assumption.server(1, weights, network.layout, alphas, TEAM_ADDRESS)
    given: dict[str, Any] = {
        "round": 1,
        "received": torch.zeros(size, dtype=mine.dtype),
        "members": tuple(
            Member(place, 1 / clients, view.shard, ADDRESS.at(place), log={}) for place in range(len(mine))
        ),
        "honest": mine,
        "others": seen,
        "cohort": clients,
        "auxiliary": view.auxiliary,
        "local": view.local,
        "network": network,
        "address": TEAM_ADDRESS,
        "state": state or {},
        "server": server,
    }
    return Team(**{**given, **changes})


def with_buffers() -> Network:
    """A network of two parameters and three buffers: the running mean and variance, and a counter."""
    module = nn.BatchNorm1d(1)
    assert Layout.of(module).size == 5
    return Network(module)


def sent(attack: Attack, team: Team) -> Tensor:
    """What the members send, shape ``[k, d]``, each looked at as a tensor of its own."""
    crafted = attack.collude(team)
    assert crafted.updates.shape == team.honest.shape
    assert crafted.updates.dtype == team.honest.dtype
    return crafted.updates.clone()


class Linear(Model):
    """Logits that are linear in the pixels."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), classes))


def final_accuracy(attack: Any, **changes: Any) -> float:
    """The accuracy that six clients of the digits reach in three rounds, two of whom attack."""
    team = {"attackers": {"count": 2}, "goal": "damage", "target": Target()} if attack else {}
    local = LocalTraining(epochs=2, batch_size=60, learning_rate=0.03)
    plan = {"clients": 6, "attack": attack, "model": Linear(), "local": local, **team, **changes}
    return list(simulate(small(**plan), engine="serial"))[-1].record.quality.accuracy


@cache
def clean_accuracy(**changes: Any) -> float:
    """The accuracy of their benign twin."""
    return final_accuracy(None, **changes)
