"""Images of the user's own: a folder for each class; see `fedlens.data.class_folders` and `fedlens.data.picture`."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, ValidationInfo, field_validator

from fedlens.core.errors import DataError, cut
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.class_folders import class_folders
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.data.remark import remark
from fedlens.data.stratified import test_mask
from fedlens.data.user_files import recorded_path, set_option
from fedlens.data.user_folders import locate_folder

LARGEST_SIZE = 1024
DEFAULT_SHARE = 0.2


class ImageFolder(Data):
    """Images of yours: a folder for each class, with its images in it.

    Inputs are ``[n, 1, size, size]`` in grey and ``[n, 3, size, size]`` in colour, in [0, 1]. Images are turned upright
    and scaled with their proportions; what then sticks out of the square is cut off.

    Attributes:
        path: the folder, relative to the experiment's file, to the data directory or the working directory.
        size: pixels a side that images are scaled to.
        colour: one channel or three.
        test: share of each class's images that are test samples, or ``folder`` if `path` has the folders train and test
            (or val), with the classes in each; by default the folders if there are any, else a fifth.
        unreadable: what to do about files that are no images or damaged: refuse the data, or skip them with a remark.

    Example:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from fedlens.data import ImageFolder
        >>> for number in range(10):
        ...     for name, colour in (("red", "#f00"), ("blue", "#00f")):
        ...         Path("flags", name).mkdir(parents=True, exist_ok=True)
        ...         Image.new("RGB", (40, 30), colour).save(f"flags/{name}/{number}.png")
        >>> dataset = ImageFolder(path="flags", size=8).load()
        >>> dataset.classes, dataset.shape, len(dataset.train), len(dataset.test)
        (('blue', 'red'), (3, 8, 8), 16, 4)
    """

    path: str = Field(examples=["images"])
    size: Annotated[PositiveInt, Field(le=LARGEST_SIZE)] = 32
    colour: Literal["grey", "rgb"] = "rgb"
    test: Annotated[float, Field(gt=0, lt=1)] | Literal["folder"] | None = None
    unreadable: Literal["refuse", "skip"] = "refuse"

    @field_validator("path", mode="after")
    @classmethod
    def _recorded(cls, value: str, info: ValidationInfo) -> str:
        """Record the path as `recorded_path` has it."""
        return recorded_path(value, info.context)

    def load(self, directory: Path | None = None) -> Dataset:
        """Read the images.

        Args:
            directory: where the user keeps data files.

        Raises:
            DataError: there is no such folder, or something in it is no image or no class; the message names the file
                or folder, and what to do.
        """
        root = locate_folder(self.path, directory)
        found = class_folders(root, None if self.test is None else self.test == "folder")
        train = self._read(found.train)
        if found.test is not None:
            test = self._read(found.test)
        else:
            share = self.test if isinstance(self.test, float) else DEFAULT_SHARE
            chosen = torch.from_numpy(test_mask(train.y.numpy(), share, Address.root(0).at("image-folder", "test")))
            train, test = train.take((~chosen).nonzero()[:, 0]), train.take(chosen.nonzero()[:, 0])
        _require(train, test, found.classes, self.path)
        return Dataset(train=train, test=test, classes=found.classes)

    def _read(self, files: list[tuple[Path, int]]) -> Samples:
        """Read files of known classes, and say what was done to them."""
        from fedlens.data.picture import UnreadableError, read_picture

        x = self._allocated(len(files))
        labels: list[int] = []
        skipped: list[str] = []
        several: list[str] = []
        resized = cropped = 0
        for file, label in files:
            try:
                picture = read_picture(file, self.size, self.colour)
            except UnreadableError as error:
                fault = f"{cut(str(file), 400)}: {error}"
                if self.unreadable == "refuse":
                    raise DataError(f"{fault}; skip such files: {set_option('unreadable', 'skip')}") from None
                skipped.append(fault)
                continue
            x[len(labels)] = picture.pixels
            labels.append(label)
            resized += picture.resized
            cropped += picture.cropped
            several += [str(file)] * (picture.frames > 1)
        if skipped:
            remark(f"{self.path}: {len(skipped):,} of {len(files):,} files are skipped, such as {skipped[0]}")
        if resized:
            also = f", and {cropped:,} that are no squares are cut to their middle" if cropped else ""
            remark(f"{self.path}: {resized:,} of {len(labels):,} images are scaled to {self.size}×{self.size}{also}")
        if several:
            remark(f"{self.path}: of {len(several):,} files with several images the first is taken, as of {several[0]}")
        return Samples(torch.from_numpy(x[: len(labels)]), torch.tensor(labels, dtype=torch.int64))

    def _allocated(self, count: int) -> NDArray[np.float32]:
        """Return room for so many images, ``[count, channels, size, size]``."""
        shape = (count, 1 if self.colour == "grey" else 3, self.size, self.size)
        try:
            return np.empty(shape, np.float32)
        except MemoryError:
            fault = f"{count:,} images do not fit into memory ({4 * prod(shape) / 2**30:,.0f} GiB)"
            smaller = set_option("size", max(self.size // 2, 1))
            raise DataError(f"{self.path}: {fault}; make them smaller: {smaller}") from None


def _require(train: Samples, test: Samples, classes: tuple[str, ...], path: str) -> None:
    """Require training samples of every class, and some for testing."""
    if (lacking := (train.y.bincount(minlength=len(classes)) == 0).nonzero()).numel():
        name = classes[int(lacking[0])]
        raise DataError(f"{path}: no training sample is {name}; give it an image that can be read")
    if not len(test):
        raise DataError(f"{path}: no image is left for testing; give every class two images at least")
    tested = test.y.bincount(minlength=len(classes))
    if untested := [classes[int(number)] for number in (tested == 0).nonzero()]:
        remark(f"{path}: no test sample is {cut(', '.join(untested), 200)}")
