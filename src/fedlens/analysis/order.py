"""The order in which figures, plots, reports and tables show what there is to see of runs: one for all of them."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

Name = TypeVar("Name", bound=str)
Value = TypeVar("Value")

PANELS = (
    "metrics",
    "triggered",
    "updates",
    "evolution",
    "distances",
    "selection",
    "checks",
    "roc",
    "classes",
    "confusion",
)
"""Kinds of panels: how the models do, what the server sees, what becomes of the classes."""
METRICS = (
    "confidence", "true_confidence", "asr", "accuracy_drop", "mae_rise", "accuracy", "mae", "malicious_accuracy",
    "malicious_mae",
)  # fmt: skip
"""Metrics: what the attacker wants, what it costs, and how the malicious model does."""
SIDES = ("control", "placebo", "")
"""A run behind what stands beside it, by what records call that."""


def in_order(values: Mapping[Name, Value], order: Sequence[str]) -> dict[Name, Value]:
    """Sort what there is into this order.

    Raises:
        ValueError: something is not in the order.

    Example:
        >>> in_order({"accuracy": 1, "confidence": 2}, METRICS)
        {'confidence': 2, 'accuracy': 1}
    """
    return dict(sorted(values.items(), key=lambda item: order.index(item[0])))
