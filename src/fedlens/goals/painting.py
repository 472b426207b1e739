"""Painting into images: where their pixels are, and setting some of them."""

from __future__ import annotations

from math import isqrt, prod
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from fedlens.core.errors import ConfigError
from fedlens.data.dataset import Dataset

if TYPE_CHECKING:
    from torch import Tensor

Pixel = Annotated[float, Field(ge=-3e38, le=3e38)]
"""A pixel's value, which inputs of float32 can have."""

Rectangle = tuple[int, int, int, int]
"""Of pixels: first row, row after the last, first column, column after the last."""


def picture_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return height and width of inputs of this `shape`: images, with or without channels, or flattened squares.

    Raises:
        ConfigError: they are no images.
    """
    if len(shape) in {2, 3}:
        return shape[-2], shape[-1]
    if len(shape) == 1 and isqrt(shape[0]) ** 2 == shape[0]:
        return isqrt(shape[0]), isqrt(shape[0])
    raise ConfigError(
        f"goal.trigger: paints into images, but inputs have shape {shape}; for records, e.g. "
        "-o 'goal.trigger={name: feature-values, columns: {0: 1}}', or a trigger of your own, module:Class"
    )


def painted(x: Tensor, rectangles: tuple[Rectangle, ...], value: float) -> Tensor:
    """Return the images `x` (shape ``[n, ...]``) with the pixels of the rectangles set in all channels."""
    height, width = picture_size(tuple(x.shape[1:]))
    channels = prod(x.shape[1:]) // (height * width)
    pixels = x.clone().reshape(len(x), channels, height, width)
    for top, bottom, left, right in rectangles:
        pixels[:, :, top:bottom, left:right] = value
    return pixels.reshape(x.shape)


def brightest(dataset: Dataset) -> float:
    """Return the largest value of any training input."""
    return float(dataset.train.x.max())
