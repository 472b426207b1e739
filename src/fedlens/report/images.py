"""Samples that are images, as pixels to be drawn."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def pixels_of(image: "Tensor") -> NDArray[np.float64]:
    """Return an image (``[channels, h, w]``) from 0 to 1: in colour ``[h, w, 3]``, or channels' mean ``[h, w]``."""
    pixels: NDArray[np.float64] = image.double().numpy()
    low, high = pixels.min(), pixels.max()
    pixels = (pixels - low) / (high - low if high > low else 1)
    return pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels.mean(0)
