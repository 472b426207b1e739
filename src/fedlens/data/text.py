"""Text of the user's own: which character comes next?

As in McMahan et al., *Communication-Efficient Learning of Deep Networks from Decentralized Data* (AISTATS 2017), where
each speaker in Shakespeare's plays is a client. Deviation: only the character after a sequence is predicted, not all.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, ValidationInfo, field_validator
from typing_extensions import override

from fedlens.core.errors import DataError, cut
from fedlens.core.lazy import torch
from fedlens.data.characters import UNKNOWN, character_name
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.data.groups import Groups
from fedlens.data.passages import Group, passages
from fedlens.data.remark import remark
from fedlens.data.user_files import locate, recorded_path, set_option

MOST_BYTES = 100_000_000
MOST_TOKENS = 250_000_000
"""Of all samples together, eight bytes each."""

Codes = NDArray[np.int64]


class Text(Data):
    r"""Text of yours: sequences of characters, and the character that follows.

    Inputs are ``[n, length]`` (int64), numbers of characters; classes are the characters of the training text, and last
    an unknown one.

    Attributes:
        path: the file, UTF-8, relative to that of the experiment, to the data directory or the working directory.
        length: number of characters from which the next one is predicted.
        stride: from the beginning of one sequence to that of the next; by default `length`.
        group: the natural owner of a sample: the speaker (lines ``NAME:``), the paragraph, or none.
        test: share of each group's text, at its end, that is for testing.

    Example:
        >>> from pathlib import Path
        >>> from fedlens.data import Text
        >>> _ = Path("play.txt").write_text("ANN: " + "la la " * 20 + "\nBOB: " + "no no " * 20)
        >>> dataset = Text(path="play.txt", length=5, group="speaker").load()
        >>> dataset.classes, dataset.groups.names, len(dataset.train), len(dataset.test)
        (('space', 'a', 'l', 'n', 'o', 'unknown character'), ('ANN', 'BOB'), 36, 8)
    """

    path: str = Field(examples=["plays.txt"])
    length: PositiveInt = 80
    stride: PositiveInt | None = None
    group: Group = "none"
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2

    @field_validator("path", mode="after")
    @classmethod
    def _recorded(cls, value: str, info: ValidationInfo) -> str:
        """Record the path as `recorded_path` has it."""
        return recorded_path(value, info.context)

    @override
    def default_trigger(self) -> str:
        return "token-sequence"

    def load(self, directory: Path | None = None) -> Dataset:
        """Read the file.

        Args:
            directory: where the user keeps data files.

        Raises:
            DataError: it is missing, no text in UTF-8, too long or too short; the message says what to do.
        """
        parts = passages(read_text(locate(self.path, directory), self.path), self.group)
        if not parts:
            remedy = set_option("group", "paragraph")
            raise DataError(f"{self.path}: no line names a speaker, as in HAMLET: To be; group otherwise: {remedy}")
        train, test = {}, []
        for name, text in parts.items():
            begin = len(text) - round(self.test * len(text))
            if begin > self.length:
                train[name] = text[:begin]
            if len(text) - begin > self.length:
                test.append(text[begin:])
        self._require(parts, len(train), len(test))
        characters = sorted(set().union(*train.values()))
        numbers = {character: number for number, character in enumerate(characters)}
        known, of = self._samples(list(train.values()), numbers)
        unseen, _ = self._samples(test, numbers)
        classes = (*map(character_name, characters), UNKNOWN)
        groups = None if self.group == "none" else Groups(tuple(train), torch.from_numpy(of))
        return Dataset(train=known, test=unseen, classes=classes, groups=groups)

    def _require(self, parts: dict[str, str], trained: int, tested: int) -> None:
        """Require training and test samples, and say which groups are too short for any."""
        longest = max(map(len, parts.values()))
        shorter = set_option("length", max(int(min(self.test, 1 - self.test) * longest) // 2, 1))
        if not trained or not tested:
            part = "testing" if trained else "training"
            what = "the text" if self.group == "none" else f"every {self.group}'s text"
            raise DataError(
                f"{self.path}: {what} is too short to have {self.length + 1:,} characters for {part}; e.g. {shorter}"
            )
        if short := len(parts) - trained:
            remark(
                f"{self.path}: {short:,} of {len(parts):,} {self.group}s have no {self.length + 1:,} characters for "
                "training, and no training sample"
            )

    def _samples(self, texts: list[str], numbers: dict[str, int]) -> tuple[Samples, Codes]:
        """Cut texts into samples; return them, and the number of the text that each is from, ``[n]``."""
        stride = self.stride or self.length
        counts = [(len(text) - self.length - 1) // stride + 1 for text in texts]
        if (entries := sum(counts) * (self.length + 1)) > MOST_TOKENS:
            more = set_option("stride", stride * -(-entries // MOST_TOKENS))
            fault = f"{sum(counts):,} samples of {self.length:,} characters do not fit into {MOST_TOKENS:,}"
            raise DataError(f"{self.path}: {fault}; take fewer: {more}")
        windows = []
        for text in texts:
            codes = np.fromiter((numbers.get(one, len(numbers)) for one in text), np.int64, len(text))
            windows.append(np.lib.stride_tricks.sliding_window_view(codes, self.length + 1)[::stride])
        every = np.concatenate(windows)
        x, y = np.ascontiguousarray(every[:, :-1]), np.ascontiguousarray(every[:, -1])
        return Samples(torch.from_numpy(x), torch.from_numpy(y)), np.repeat(np.arange(len(texts)), counts)


def read_text(file: Path, name: str) -> str:
    """Return the content of a file, with line feeds at the ends of lines and no byte-order mark.

    Args:
        file: where it is.
        name: what messages call it.

    Raises:
        DataError: it is too large, or no text in UTF-8.
    """
    name = cut(name, 400)
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror}); make it readable for you") from None
    if len(content) > MOST_BYTES:
        part = f"head -c {MOST_BYTES} {shlex.quote(name)} > part.txt"
        raise DataError(f"{name}: has more than {MOST_BYTES:,} bytes; take a part of it: {part}")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{name}: is in UTF-16, as byte 0 says; {_converted(name, 'UTF-16')}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: byte {error.start:,} (0x{content[error.start]:02x}) is not UTF-8; "
            f"{_converted(name, 'ISO-8859-1')} if it is in Latin-1"
        ) from None
    if "\0" in text:
        raise DataError(f"{name}: byte {content.index(0):,} is zero, so that it is no text; name another file")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _converted(name: str, encoding: str) -> str:
    """Say how to convert a file."""
    return f"convert it, as by iconv -f {encoding} -t UTF-8 {shlex.quote(name)} > utf-8.txt"
