"""The pictures that ``fedlens explain`` made of a run, small enough for the page."""

import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from fedlens.analysis.run_results import Run
from fedlens.core.errors import DamagedRunError
from fedlens.core.regular import regular
from fedlens.report.html.samples import data_address


@dataclass(frozen=True)
class Picture:
    """A picture with what it shows in words."""

    address: str
    alt: str
    width: int
    height: int


def explained(run: Run, room: int) -> tuple[list[Picture], list[str]]:
    """Return the pictures in the run's ``explanations``, and why some are left out, in sentences.

    Args:
        run: the run.
        room: so many bytes of the page they may take.
    """
    pictures, why, left = [], [], room
    for file in sorted((run.path / "explanations").glob("*.png"), key=lambda file: _order(run, file)):
        try:
            content, size = _small(file)
        except (
            DamagedRunError,
            OSError,
            ValueError,
            SyntaxError,
        ) as error:  # what Pillow says of files that are no pictures
            why.append(f"{file} cannot be read ({error}).")
            continue
        address = data_address(content)
        if len(address) > left:
            why.append(f"{file} is left out, for the page would grow too large.")
            continue
        left -= len(address)
        pictures.append(Picture(address, _alt(run, file), *size))
    return pictures, why


def _order(run: Run, file: Path) -> tuple[bool, str]:
    """Return a sort key that puts the attacker's sample first."""
    return _number(file) not in run.target.index, file.name


def _number(file: Path) -> int | None:
    match = re.fullmatch(r"sample-(\d+)", file.stem)
    return int(match[1]) if match else None


def _alt(run: Run, file: Path) -> str:
    number = _number(file)
    if number is None:
        return f"Explanations: {file.stem}."
    whose = "the attacker's sample" if number in run.target.index else "another sample"
    return (
        f"Explanations of test sample {number}, {whose}: a row for each of the benign and the attacked model and the "
        "class explained, a column for each method. likeness.csv beside the picture has how alike they are in numbers."
    )


def _small(file: Path) -> tuple[bytes, tuple[int, int]]:
    """Return the picture with 256 colours, in which figures look as before, and its size in pixels."""
    from PIL import Image

    with Image.open(regular(file)) as image:
        reduced = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    buffer = BytesIO()
    reduced.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue(), reduced.size
