"""Data sets in the form of Hugging Face's library ``datasets`` (Q. Lhoest et al., EMNLP 2021 demos): images or text.

No code of a data set is run. What the Hub has is downloaded by the library into its own cache (``HF_HOME``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PositiveInt, ValidationInfo, field_validator

from fedlens.core.errors import DataError, shortened
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.data.hub_splits import HELD_OUT, Columns, columns_of, open_splits
from fedlens.data.remark import remark
from fedlens.data.stratified import test_mask
from fedlens.data.user_files import recorded_path, set_option

PAST_END, UNKNOWN = 0, 1
"""Numbers of what is after a text's end, and of a character that no training text has."""


class HuggingFace(Data):
    """A data set in the form of Hugging Face's library, which the extra `fedlens[data]` installs.

    Images become ``[n, 1 or 3, size, size]`` in [0, 1]. Of text, the first `length` characters become ``[n, length]``,
    int64: 0 is what is after its end, 1 a character that no training text has.

    Attributes:
        path: a folder, in the data directory or the working directory, or else a name on the Hub such as ``mnist``.
        subset: the subset to be read, of a data set that has several.
        column: the column of images or text; by default the only one.
        label: the column of classes; by default the only one that is known for labels, or is called so.
        train: name of the part to train on.
        test: name of the part to test on, or share of the training part's samples of each class; by default the part
            test or validation if there is one, else a fifth.
        size: pixels a side of images.
        colour: one channel or three.
        length: number of characters of text.

    Example:
        >>> from fedlens import Experiment
        >>> from fedlens.data import HuggingFace
        >>> Experiment(data=HuggingFace(path="ylecun/mnist", size=28, colour="grey"), model="small").data.colour
        'grey'
    """

    path: str = Field(examples=["ylecun/mnist"])
    subset: str | None = None
    column: str | None = None
    label: str | None = None
    train: str = "train"
    test: Annotated[float, Field(gt=0, lt=1)] | str | None = None
    size: Annotated[PositiveInt, Field(le=1024)] = 32
    colour: Literal["grey", "rgb"] = "rgb"
    length: Annotated[PositiveInt, Field(le=100_000)] = 80

    @field_validator("path", mode="after")
    @classmethod
    def _recorded(cls, value: str, info: ValidationInfo) -> str:
        """Record the path as `recorded_path` has it."""
        return recorded_path(value, info.context)

    def load(self, directory: Path | None = None) -> Dataset:
        """Read the data set.

        Args:
            directory: where the user keeps data files.

        Raises:
            DataError: there is none, or it has no columns of inputs and labels; the message says what to do.
        """
        parts = open_splits(self.path, self.subset, directory)
        test = self.test if self.test is not None else next((name for name in HELD_OUT if name in parts), 0.2)
        for option, name in (("train", self.train), ("test", test)):
            if isinstance(name, str) and name not in parts:
                example = set_option(option, next(iter(parts)))
                raise DataError(f"{self.path}: has no part {name}, but {', '.join(parts)}; e.g. {example}")
        trained = parts[self.train]
        columns = columns_of(trained, self.path, self.column, self.label)
        classes = self._classes(trained, columns)
        samples, characters = self._samples(trained, self.train, columns, classes, None)
        if isinstance(test, str):
            held_out, _ = self._samples(parts[test], test, columns, classes, characters)
            return self._checked(samples, held_out, classes)
        chosen = torch.from_numpy(test_mask(samples.y.numpy(), test, Address.root(0).at("huggingface", "test")))
        return self._checked(samples.take((~chosen).nonzero()[:, 0]), samples.take(chosen.nonzero()[:, 0]), classes)

    def _checked(self, train: Samples, test: Samples, classes: tuple[str, ...]) -> Dataset:
        from fedlens.data.checking import checked_dataset

        if not len(train) or not len(test):
            raise DataError(f"{self.path}: has no samples for {'testing' if len(train) else 'training'}; name a part "
                            f"with some, e.g. {set_option('train', 'PART')}")  # fmt: skip
        return checked_dataset(Dataset(train=train, test=test, classes=classes), "huggingface")

    def _classes(self, part: Any, columns: Columns) -> tuple[str, ...]:
        """Return the classes' names: the library's, or else what the training labels are, in order."""
        names = getattr(part.features[columns.label], "names", None)
        if names is None:
            names = sorted(set(part[columns.label]) - {None})
        return tuple(map(str, names))

    def _samples(
        self, part: Any, name: str, columns: Columns, classes: tuple[str, ...], characters: dict[str, int] | None
    ) -> tuple[Samples, dict[str, int] | None]:
        """Return a part's samples, and the numbers of its characters, or the given ones, if it is text."""
        y = self._labels(part, name, columns, classes)
        if columns.is_image:
            return Samples(torch.from_numpy(self._images(part, name, columns)), y), None
        texts = [self._text(text, name, row) for row, text in enumerate(part[columns.input])]
        if characters is None:
            every = sorted(set().union(*texts))
            characters = {character: number for number, character in enumerate(every, UNKNOWN + 1)}
        x = np.full((len(texts), self.length), PAST_END, np.int64)
        for row, text in enumerate(texts):
            x[row, : len(text)] = [characters.get(character, UNKNOWN) for character in text]
        return Samples(torch.from_numpy(x), y), characters

    def _text(self, text: object, part: str, row: int) -> str:
        if not isinstance(text, str):
            raise DataError(f"{self.path}: {part}, row {row}: has no text; drop such rows, or read another column: "
                            f"{set_option('column', 'COLUMN')}")  # fmt: skip
        return text[: self.length]

    def _labels(self, part: Any, name: str, columns: Columns, classes: tuple[str, ...]) -> torch.Tensor:
        named = getattr(part.features[columns.label], "names", None) is not None
        numbers = {number if named else word: number for number, word in enumerate(classes)}
        labels = list(part[columns.label])
        for row, label in enumerate(labels):
            if (label if named else str(label)) not in numbers:
                raise DataError(
                    f"{self.path}: {name}, row {row}: the label is {shortened(label)}, which is no class of the "
                    f"training samples; draw test samples from these: {set_option('test', 0.2)}"
                )
        return torch.tensor([numbers[label if named else str(label)] for label in labels], dtype=torch.int64)

    def _images(self, part: Any, name: str, columns: Columns) -> Any:
        """Return the images, ``[n, channels, size, size]``."""
        from fedlens.data.picture import UnreadableError, read_picture

        x = np.empty((len(part), 1 if self.colour == "grey" else 3, self.size, self.size), np.float32)
        encoded = part.cast_column(columns.input, type(part.features[columns.input])(decode=False))
        resized = 0
        for row, content in enumerate(encoded[columns.input]):
            try:
                if content is None:
                    raise UnreadableError("has no image")
                file = content["bytes"] if content["bytes"] is not None else Path(content["path"])
                picture = read_picture(file, self.size, self.colour)
            except UnreadableError as error:
                raise DataError(f"{self.path}: {name}, row {row}: {error}; take the row out, or read another column: "
                                f"{set_option('column', 'COLUMN')}") from None  # fmt: skip
            x[row], resized = picture.pixels, resized + picture.resized
        if resized:
            remark(f"{self.path}: {resized:,} of {len(x):,} images ({name}) are scaled to {self.size}×{self.size}")
        return x
