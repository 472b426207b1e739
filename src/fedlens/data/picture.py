"""One picture from a file: upright, in grey or colour, of one size, in [0, 1].

What EXIF says about its orientation is heeded. Transparent parts are put on white. A picture is scaled with its
proportions until it covers the square, and what sticks out is cut off evenly on both sides; Pillow's bilinear filter
averages over all pixels that become one. Grey is ITU-R 601-2 luma, and CMYK is converted without a colour profile, both
as Pillow has them. Of 16 bits, all are kept in grey, and the upper 8 in colour.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Colour = Literal["grey", "rgb"]

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM")
"""What is read; others, such as EPS, could start programs."""

MOST_PIXELS = 100_000_000
"""A picture with more is not decoded: a small file can claim to have any number."""

_PLAIN = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "HSV", "LAB"}
_DEEP = {"I;16", "I;16L", "I;16B", "I;16N"}


class UnreadableError(Exception):
    """A file that cannot be taken for a picture: the text says why, as it goes on after the file's name."""


@dataclass(frozen=True)
class Picture:
    """A picture as a model gets it.

    Attributes:
        pixels: float32, ``[channels, size, size]``, in [0, 1].
        resized: whether it had another size.
        cropped: whether it was no square, so that something was cut off.
        frames: how many pictures are in the file, of which this is the first.
    """

    pixels: NDArray[np.float32]
    resized: bool
    cropped: bool
    frames: int


def read_picture(file: Path | bytes, size: int, colour: Colour) -> Picture:
    """Read a picture.

    Args:
        file: where it is, or its content.
        size: pixels a side.
        colour: whether it is to have one channel or three.

    Raises:
        UnreadableError: it is none, or damaged, or of a kind that is not read.
    """
    try:
        if isinstance(file, Path) and not file.is_file():  # a pipe has no end
            raise UnreadableError("is a link to nothing" if file.is_symlink() else "is no regular file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, about sizes, which are limited here, and about metadata
            with Image.open(BytesIO(file) if isinstance(file, bytes) else file, formats=FORMATS) as image:
                return _read(image, size, colour)
    except UnidentifiedImageError:
        empty = not (file if isinstance(file, bytes) else file.stat().st_size)
        raise UnreadableError("is empty" if empty else "is no image") from None
    except Image.DecompressionBombError:
        raise UnreadableError(f"has more than {MOST_PIXELS:,} pixels") from None
    except MemoryError:
        raise UnreadableError("does not fit into memory") from None
    except PermissionError:
        raise UnreadableError("may not be read") from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError) as error:
        # Pillow's decoders raise all of these on damaged files.
        raise UnreadableError(f"is damaged or truncated ({type(error).__name__}: {error})") from None


def _read(image: Image.Image, size: int, colour: Colour) -> Picture:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise UnreadableError(f"has {width:,} × {height:,} pixels, more than {MOST_PIXELS:,}")
    frames = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))  # others of a camera's are previews
    deep = _depth(image)
    upright = ImageOps.exif_transpose(image)
    if deep is not None:
        grey = Image.fromarray(np.asarray(upright).astype(np.float32) / deep)
        fitted = _fit(grey, size)
        pixels = np.asarray(fitted, np.float32).clip(0, 1)[None]
        pixels = pixels if colour == "grey" else pixels.repeat(3, axis=0)
    else:
        fitted = _fit(_flat(upright).convert("L" if colour == "grey" else "RGB"), size)
        pixels = np.atleast_3d(np.asarray(fitted)).transpose(2, 0, 1).astype(np.float32) / 255
    return Picture(np.ascontiguousarray(pixels), upright.size != (size, size), width != height, frames)


def _depth(image: Image.Image) -> int | None:
    """Return the largest value of a picture that is stored in 16 bits of grey; ``None`` for one of 8 bits.

    Raises:
        UnreadableError: it is of neither kind.
    """
    if image.mode in _DEEP or (image.mode == "I" and image.format in {"PPM", "PNG"}):  # which are scaled to 16 bits
        if image.has_transparency_data:
            raise UnreadableError("is transparent in 16 bits of grey, which is not read; save it with 8")
        return 65535
    if image.mode not in _PLAIN:
        what = {"I": "32-bit whole numbers", "F": "floating-point numbers"}.get(image.mode, f"mode {image.mode}")
        raise UnreadableError(f"has pixels of {what}, whose white is not known; save it with 8 or 16 bits")
    return None


def _flat(image: Image.Image) -> Image.Image:
    """Return a picture without transparency: on white."""
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours).convert("RGB")
    return image.convert("RGB") if image.mode in {"P", "CMYK", "LAB", "HSV", "YCbCr"} else image


def _fit(image: Image.Image, size: int) -> Image.Image:
    if image.size == (size, size):
        return image
    return ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
