"""Augmentation of images: what each of a client's batches is changed by.

Flips and crops only move pixels, so that every engine gets the same bits; where they move to is drawn by the client's
own generator of the round, batch by batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, PositiveInt

from fedlens.core.config import Config
from fedlens.core.errors import ConfigError
from fedlens.core.lazy import functional, torch
from fedlens.core.named import Named
from fedlens.core.random import Address

if TYPE_CHECKING:
    from torch import Tensor


class Flip(Config):
    """Images mirrored from left to right.

    Attributes:
        share: of the images, drawn each by itself.

    Example:
        >>> import numpy, torch
        >>> from fedlens.training import Flip
        >>> Flip(share=1).apply(torch.tensor([[[[1.0, 2.0]]]]), numpy.random.default_rng(0))
        tensor([[[[2., 1.]]]])
    """

    share: Annotated[float, Field(gt=0, le=1)] = 0.5

    def apply(self, x: Tensor, generator: np.random.Generator) -> Tensor:
        """Return the images `x`, shape ``[b, channels, height, width]``, as changed."""
        flipped = torch.from_numpy(generator.random(len(x)) < self.share).to(x.device)
        return torch.where(flipped[:, None, None, None], x.flip(3), x)


class Crop(Config):
    """Images moved by a few pixels: padded with zeros on all sides, and cut to their size again, anywhere.

    Attributes:
        padding: pixels on each side.

    Example:
        >>> import numpy, torch
        >>> from fedlens.training import Crop
        >>> Crop(padding=1).apply(torch.ones(1, 1, 4, 4), numpy.random.default_rng(0)).shape
        torch.Size([1, 1, 4, 4])
    """

    padding: PositiveInt = 4

    def apply(self, x: Tensor, generator: np.random.Generator) -> Tensor:
        """Return the images `x`, shape ``[b, channels, height, width]``, as changed."""
        count, channels, height, width = x.shape
        starts = torch.from_numpy(generator.integers(0, 2 * self.padding + 1, size=(2, count))).to(x.device)
        rows = starts[0][:, None, None, None] + torch.arange(height, device=x.device)[None, None, :, None]
        columns = starts[1][:, None, None, None] + torch.arange(width, device=x.device)[None, None, None, :]
        images = torch.arange(count, device=x.device)[:, None, None, None]
        planes = torch.arange(channels, device=x.device)[None, :, None, None]
        return functional.pad(x, (self.padding,) * 4)[images, planes, rows, columns]


Change = Flip | Crop

CHANGES: Mapping[str, type[Change]] = {"flip": Flip, "crop": Crop}

Augmentation = Annotated[
    tuple[Literal["flip", "crop"] | Change, ...], Named("local.augmentation", CHANGES, several=True)
]


class Augmenter:
    """The changes of a client's batches in a round, one batch after the other.

    Args:
        changes: what is done to each batch, in this order.
        address: the address of the client's draws in this round.
    """

    def __init__(self, changes: tuple[str | Change, ...], address: Address) -> None:
        self._changes = [CHANGES[change]() if isinstance(change, str) else change for change in changes]
        self._generator = address.at("augmentation").generator() if changes else None

    def __call__(self, x: Tensor) -> Tensor:
        """Return the next batch's inputs `x`, shape ``[b, ...]``, as changed."""
        for change in self._changes:
            assert self._generator is not None
            x = change.apply(x, self._generator)
        return x


def require_images(changes: tuple[str | Change, ...], shape: tuple[int, ...]) -> None:
    """Check that inputs of this shape are images, if they are to be changed.

    Raises:
        ConfigError: they are not.
    """
    if changes and len(shape) != 3:
        raise ConfigError(
            f"local.augmentation: is for images, and these inputs have the shape {shape}; -o local.augmentation=none"
        )
