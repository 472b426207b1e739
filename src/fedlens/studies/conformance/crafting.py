"""What fedlens' own attack on updates sends, where that depends on nothing but the honest updates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fedlens.attacks.attack import Attack
from fedlens.attacks.team import Member, Team
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.goals.success import TargetSamples
from fedlens.models.network import Network
from fedlens.studies.conformance.case import Rows, Value
from fedlens.training.local import LocalTraining

ATTACKERS = 2
"""So many attackers send an update, if a case does not say how many."""

ATTACKS: Mapping[str, Mapping[str, Value]] = {
    "inner-product-manipulation": {},
    "a-little-is-enough": {"sees": "all", "z": 1.0},
    "min-max": {},
    "min-sum": {},
}
"""The attacks that there are cases for, with the options that a case has if it has no others."""


def crafted(attack: Attack, honest: Rows, attackers: int) -> Rows:
    """Return what each attacker sends, shape ``[1, d]``.

    Args:
        attack: one that makes the same update for all of them, of the honest ones alone.
        honest: these updates, shape ``[b, d]``.
        attackers: how many attackers there are.
    """
    rows, nothing = torch.from_numpy(honest.copy()), torch.zeros(0, dtype=torch.int64)
    network = Network(torch.nn.Linear(rows.shape[1], 1, bias=False, dtype=torch.float64))
    address, count = Address.root(0), len(rows) + attackers
    samples = Samples(torch.zeros(0, rows.shape[1]), nothing)
    team = Team(
        round=1,
        received=rows.new_zeros(rows.shape[1]),
        members=tuple(Member(place, 1 / count, samples, address.at(place)) for place in range(attackers)),
        honest=rows.new_zeros(attackers, rows.shape[1]),
        others=rows,
        cohort=count,
        auxiliary=TargetSamples(samples.x, nothing, nothing, nothing),
        local=LocalTraining(),
        network=network,
        address=address,
        senders=tuple(range(len(rows))),
    )
    sent: Rows = attack.collude(team).updates.numpy()
    return np.asarray(sent[:1])
