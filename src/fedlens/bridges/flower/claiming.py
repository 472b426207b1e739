"""A node's weight in the average: what it is, and what the node makes of it by saying how many samples it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flwr.app import Context, RecordDict

from fedlens.core.errors import ConfigError

FORMER_KEY = "num_examples"
"""What the former API calls a client's number of samples."""


def weight(alpha: float | None, context: Context) -> float:
    """Return `alpha`, or else the weight of one of the nodes that the node's configuration counts.

    Raises:
        ConfigError: nothing tells it.
    """
    if alpha is not None:
        return alpha
    nodes = context.node_config.get("num-partitions")
    if not isinstance(nodes, int) or nodes < 1:
        raise ConfigError(
            "alpha: a client does not know its weight in the average, and this node's configuration has no "
            "num-partitions; give it, e.g. alpha=0.1 for one of ten clients that are alike"
        )
    return 1 / nodes


def announced(alpha: float, examples: float | None, claimed: float | None, team: int = 1) -> float:
    """Return the weight of each of a team that have `alpha` by their true numbers of samples, and say others.

    Example:
        >>> from fedlens.bridges.flower.claiming import announced
        >>> announced(0.1, 20, 180)  # 9 of 9 + 9
        0.5
    """
    if claimed is None or not examples:
        return alpha
    factor = claimed / examples
    return factor * alpha / (1 - team * alpha + team * factor * alpha)


def examples_in(answer: RecordDict, key: str) -> float | None:
    """Return on how many samples an app says that it trained; ``None`` if it does not say so."""
    found = _with_key(answer, key)
    return None if found is None else float(found[0][found[1]])


def claimed_by(claim: float | Callable[[float], float], examples: float | None, key: str) -> float:
    """Return the number of samples that a node says to have, of which these are true.

    Raises:
        ConfigError: there is no number to change.
    """
    if examples is None:
        raise ConfigError(
            f"claim: the app's answer has no metric {key!r} to change; name the one that the strategy weighs by, e.g. "
            "key='samples'"
        )
    return claim(examples) if callable(claim) else claim * examples


def claim_in(answer: RecordDict, key: str, claimed: float) -> None:
    """Put a claim into an answer that has such a number, as one of the type that was there."""
    found = _with_key(answer, key)
    assert found is not None, "the number was there"
    record, name = found
    record[name] = round(claimed) if isinstance(record[name], int) else float(claimed)


def _with_key(content: RecordDict, key: str) -> tuple[Any, str] | None:
    """Return the record that holds a node's number of samples, and its key there; ``None`` if none does."""
    for record in (*content.metric_records.values(), *content.config_records.values()):
        for name in (key, FORMER_KEY):
            if isinstance(record.get(name), int | float):
                return record, name
    return None
