"""Over which entries of an update norms and distances are taken.

``parameters`` are all weights and biases, ``weights`` are those without biases, and ``last-layer`` has the weights and
biases of the layer whose parameters come last, as in FoolsGold. ``all`` adds the buffers that training changes, such as
running statistics, without counters: these are whole numbers that grow with every batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fedlens.core.layout import PARAMETERS, Layout, Slice
from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

OverParameters = Literal["parameters", "weights", "last-layer"]
Over = Literal["all", "parameters", "weights", "last-layer"]


def over_entries(rows: Tensor, layout: Layout, over: Over) -> Tensor:
    """Return the entries of rows (shape ``[n, d]``) that count, shape ``[n, k]``: a view where they lie together.

    Raises:
        ValueError: the layout has no such entries.
    """
    parts = [part for part in layout.slices if _counts(part, layout, over)]
    if len(parts) == len(layout.slices):
        return rows
    if not parts:
        raise ValueError(f"over: the model has no {over}; take over: parameters")
    views = [rows[:, start:stop] for start, stop in _stretches(parts)]
    return views[0] if len(views) == 1 else torch.cat(views, dim=1)


def _counts(part: Slice, layout: Layout, over: Over) -> bool:
    if over == "all":
        return part.kind != "counter"
    if over == "weights":
        return part.kind == "weight"
    return part.kind in PARAMETERS and (over == "parameters" or part.layer == layout.parameters.slices[-1].layer)


def _stretches(parts: list[Slice]) -> list[tuple[int, int]]:
    """Join neighbouring slices to stretches, each from its first entry to behind its last."""
    joined: list[tuple[int, int]] = []
    for part in parts:
        if joined and joined[-1][1] == part.start:
            joined[-1] = (joined[-1][0], part.stop)
        else:
            joined.append((part.start, part.stop))
    return joined
