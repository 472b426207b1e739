"""A value that few records have, to be a trigger where the user names none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def rare_value(x: Tensor, features: Sequence[str] = ()) -> dict[int, float]:
    """Choose the value of one feature that stands out.

    That is the greatest value of the number whose greatest value is farthest from its mean, in standard deviations; if
    no feature is a number, the rarest category of the first one.

    Args:
        x: training samples, ``[n, columns]``.
        features: the feature that each column belongs to; without, each is one of its own.

    Returns:
        The entries of a record that has it, by column: all columns of that feature.
    """
    x = x.double().cpu()
    of = features if len(features) == x.shape[1] else [str(column) for column in range(x.shape[1])]
    numbers = [column for column in range(x.shape[1]) if len(torch.unique(x[:, column])) > 2]
    if numbers:
        values = x[:, numbers]
        far = (values.max(0).values - values.mean(0)) / values.std(0)
        chosen = numbers[int(far.argmax())]
        value = float(x[:, chosen].max())
    else:
        first = [column for column in range(x.shape[1]) if of[column] == of[0]]
        chosen = min(first, key=lambda column: float(x[:, column].mean()))
        values, counts = torch.unique(x[:, chosen], return_counts=True)
        value = float(values[counts.argmin()] if len(first) == 1 else values[-1])
    entries = {column: 0.0 for column in range(x.shape[1]) if of[column] == of[chosen]}
    return entries | {chosen: value}
