"""A server's work on any device: what every rule, stage and check makes of the same updates."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.defences.detector import Detector, Inspection, Validation
from fedlens.defences.forward import Forward
from fedlens.defences.norm_clipping import norms
from fedlens.defences.rule import Received, Rule
from fedlens.defences.stage import Server, Stage, Updates
from helpers.moving import moved, normal

COUNT = 8

LAYOUT = Layout.of(nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(1, 8, bias=False), nn.Linear(1, 1)))
"""Weights, biases and a last layer, and running statistics behind them."""

SIZE = LAYOUT.parameters.size

OPTIONS: Mapping[str, dict[str, Any]] = {
    "krum": {"f": 1, "include_biases": False},
    "krum-authors": {"f": 1},
    "multi-krum": {"f": 1},
    "trimmed-mean": {"f": 1},
    "bulyan": {"f": 1},
    "norm-clipping": {"max_norm": 1, "noise": 0.1},
    "clip": {"max_norm": 1},
    "deepsight": {"inputs": 20},
    "deepsight-filter": {"inputs": 20},
    "nnm": {"f": 2},
    "flanders": {"f": 1},
}
"""Options that have no default, or do nothing at it."""

VARIANTS: Mapping[str, list[dict[str, Any]]] = {
    "stage": [
        {"name": "foolsgold", "remember": "last-layer"},
        {"name": "nnm", "f": 2, "over": "last-layer"},
    ],
    "checks": [
        {"name": "distances", "over": "weights"},
        {"name": "statistics", "over": "all"},
        {"name": "norm-filter", "max_norm": 2, "over": "last-layer"},
    ],
}
"""Options with which a component computes something else."""


def updates(size: int = SIZE) -> Tensor:
    """Updates that are near to each other, but for one."""
    rows = normal(1, COUNT, size) / 4 + normal(2, size)
    rows[3] *= -5
    return rows


def alpha(count: int = COUNT) -> Tensor:
    weights = torch.arange(1, count + 1).double()
    return weights / weights.sum()


def aggregation(rule: Rule, device: torch.device) -> object:
    received = Received(updates(), alpha(), LAYOUT.parameters, Address.root(0))
    return vars(rule.aggregate(moved(received, device)))


def stage(chosen: Stage, device: torch.device) -> object:
    """Two rounds, of clients most of whom are the same."""
    rows = updates()[:1] if chosen.kind == "optimizer" else updates()
    outcomes: list[object] = []
    state = chosen.init(LAYOUT.parameters)
    for round_ in (1, 2):
        clients = tuple(range(round_, round_ + len(rows)))
        root = normal(3, SIZE) / 9 + normal(2, SIZE)
        server = Server(
            round_,
            torch.zeros(SIZE),
            LAYOUT.parameters,
            clients,
            Address.root(round_),
            root,
            lengths=norms(rows),
            forward=Forward((3,), answers),
        )
        received = Updates.received(round_ * rows, alpha(len(rows)))
        after, state, report = chosen.apply(moved(received, device), moved(server, device), state)
        outcomes.append([vars(after), after.effective_weights, vars(state), vars(report)])
    return outcomes


def answers(weights: Tensor, inputs: Tensor) -> Tensor:
    """Those of a layer that is made of a model's first weights."""
    return (inputs @ weights[:12].view(3, 4)).log_softmax(dim=1)


def checks(check: Detector, device: torch.device) -> object:
    size = LAYOUT.size if check.sees_buffers else SIZE
    validation = Validation(torch.linspace(0.2, 0.9, COUNT).double(), torch.full((COUNT,), 0.9).double())
    seen = Inspection(1, torch.zeros(size), updates(size), alpha(), LAYOUT, validation)
    return vars(check.inspect(moved(seen, device)))


SERVER: Mapping[str, tuple[type, Callable[[Any, torch.device], object]]] = {
    "aggregation": (Rule, aggregation),
    "stage": (Stage, stage),
    "checks": (Detector, checks),
}
