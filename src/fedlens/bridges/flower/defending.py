"""Defences in the place of a strategy of a user's app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flwr.server.strategy import Strategy as FormerStrategy

from fedlens.bridges.flower.by_rule import ByRule
from fedlens.bridges.flower.legacy import LegacyScreened
from fedlens.bridges.flower.screened import Screened
from fedlens.defences.distance_ranges import DistanceCheck

OWN, SCREENED, CAP = "own", "screened", 2.0
RULES: Mapping[str, Callable[[int], Any]] = {
    "krum": lambda attackers: {"name": "krum", "f": attackers},
    "median": lambda _: "median",
    "geometric-median": lambda _: "geometric-median",
}
DEFENCES = (OWN, SCREENED, *RULES)
"""An app's own strategy; that one, screened by `distances`, which rejects, with claims capped; and rules of fedlens."""

KEPT = (
    "fraction_train",
    "fraction_evaluate",
    "min_train_nodes",
    "min_evaluate_nodes",
    "min_available_nodes",
    "weighted_by_key",
    "arrayrecord_key",
    "configrecord_key",
    "train_metrics_aggr_fn",
    "evaluate_metrics_aggr_fn",
)
"""Options of FedAvg that a strategy in place of another keeps."""


def defended(strategy: Any, defence: str, nodes: int, attackers: int) -> Any:
    """Return a defence in the place of a user's strategy.

    Raises:
        UnsuitableError: there is none for its API, or too few nodes.
    """
    checks = [DistanceCheck(action="reject")]
    if isinstance(strategy, FormerStrategy):
        if defence == SCREENED:
            return LegacyScreened(strategy, checks, cap=CAP)
        raise UnsuitableError(f"{defence} is a strategy of the Message API, and the app's is of the former one")
    if defence == SCREENED:
        return Screened(strategy, checks, cap=CAP)
    options = {name: vars(strategy)[name] for name in KEPT if name in vars(strategy)}
    made = ByRule(RULES[defence](attackers), **options)
    if made.screen.least > nodes:
        raise UnsuitableError(f"{defence} against {attackers} attackers needs {made.screen.least} nodes")
    return made


class UnsuitableError(Exception):
    """A defence that cannot take a strategy's place."""
