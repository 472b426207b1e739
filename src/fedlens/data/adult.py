"""Adult Census: is a person's income above 50,000 dollars a year? The data ship with the package.

B. Becker and R. Kohavi, *Adult*, UCI Machine Learning Repository, 1996, doi 10.24432/C5XW20 (CC BY 4.0).

Preparation follows Bhagoji et al., *Analyzing Federated Learning through an Adversarial Lens* (arXiv 1811.12470), and
their published configuration: rows with a missing value are dropped, the first 30,160 of the 30,162 remaining training
rows are used (ten equal shards), categories become one-hot columns, numbers are scaled to [0, 1], 104 columns.

Scaling and categories are fitted on the training rows alone. Test values are not clipped: two final weights lie
slightly outside the training range, and are left there. Every category of the test rows occurs in the training rows, so
an unknown one is an error. Class 0 is the income above 50K, as the paper's target (0, to become 1) requires.
"""

from __future__ import annotations

import gzip
import zlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from typing_extensions import override

from fedlens.core.errors import ConfigError, DataError, shortened
from fedlens.core.lazy import torch
from fedlens.core.suggest import TYPED, likeliest, nearest, pasted, plain
from fedlens.data.about import About
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.data.prepared import prepared

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

CLASSES = (">50K", "<=50K")
NUMERIC = ("age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week")
CATEGORICAL = (
    "workclass",
    "education",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "native-country",
)
_FIELDS = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
)
_WIDTH = 104
_TRAIN, _TRAIN_USED, _TEST = 30_162, 30_160, 15_060


class Column(NamedTuple):
    """A column of the encoded data: a number, or whether a feature has this category."""

    feature: str
    category: str | None = None

    def __str__(self) -> str:
        return self.feature if self.category is None else f"{self.feature}={self.category}"


class Adult(Data):
    """Adult Census: does a person earn more than 50K a year? It ships with the package.

    Inputs are ``[n, 104]``; the columns are those of `columns`.

    Example:
        >>> from fedlens.data import Adult
        >>> dataset = Adult().load()
        >>> dataset.shape, dataset.classes
        ((104,), ('>50K', '<=50K'))
    """

    about = About(
        source="https://doi.org/10.24432/C5XW20",
        citation="B. Becker and R. Kohavi, Adult, UCI Machine Learning Repository, 1996",
        licence="CC BY 4.0",
    )

    def load(self, directory: Path | None = None) -> Dataset:  # noqa: ARG002 - the files ship with the package
        """Load 30,160 training and 15,060 test samples.

        Args:
            directory: ignored.

        Raises:
            DataError: the installed package is damaged.
        """
        sources = [_packaged("adult.data.gz"), _packaged("adult.test.gz"), Path(__file__).read_bytes()]
        parts = prepared("adult", sources, ("numpy",), _prepare)
        return Dataset(
            train=Samples(parts["train.x"], parts["train.y"]),
            test=Samples(parts["test.x"], parts["test.y"]),
            classes=CLASSES,
        )

    @override
    def features(self) -> tuple[str, ...]:
        return tuple(column.feature for column in columns())

    @override
    def default_trigger(self) -> dict[str, Any]:
        return {"name": "feature-values", "values": {"capital-gain": 99999}}

    @override
    def encoded(self, feature: str, value: float | str) -> dict[int, float]:
        if feature in NUMERIC and not isinstance(value, str):
            encoding, column = _fitted(_packaged("adult.data.gz")), NUMERIC.index(feature)
            return {column: float(value * encoding.scale[column] + encoding.offset[column])}
        if feature not in CATEGORICAL:
            option, features = f"goal.trigger.values.{feature}", [*NUMERIC, *CATEGORICAL]
            if feature in NUMERIC:
                raise ConfigError(f"{option}: is a number, not {shortened(value)}; e.g. -o {option}=0")
            raise ConfigError(f"{option}: there is no such feature; {nearest(feature, features)}")
        every = {str(column.category): number for number, column in enumerate(columns()) if column.feature == feature}
        if value not in every:
            option, said = f"goal.trigger.values.{feature}", plain(value)
            meant = likeliest(said, sorted(every))
            others = "" if meant else f"{nearest(said, every)}; "
            remedy = f"e.g. {pasted(TYPED, option, meant or min(every))}"
            raise ConfigError(f"{option}: is never {shortened(said)}; {others}{remedy}")
        return {number: float(category == value) for category, number in every.items()}

    @override
    def words(self, record: Tensor) -> dict[str, str]:
        encoding = _fitted(_packaged("adult.data.gz"))
        numbers = (record[: len(NUMERIC)].double().numpy() - encoding.offset) / encoding.scale
        values = {name: f"{value:.0f}" for name, value in zip(NUMERIC, numbers, strict=True)}
        names = columns()[len(NUMERIC) :]
        flags = zip(names, record[len(NUMERIC) :].tolist(), strict=True)
        return values | {column.feature: str(column.category) for column, flag in flags if flag > 0.5}


def columns() -> list[Column]:
    """Describe the 104 columns of ``x``, in order; the columns of one feature share its name.

    Raises:
        DataError: the installed package is damaged.
    """
    one_hot = zip(CATEGORICAL, _fitted(_packaged("adult.data.gz")).categories, strict=True)
    return [Column(name) for name in NUMERIC] + [Column(name, value) for name, values in one_hot for value in values]


def _damaged(fault: str) -> DataError:
    return DataError(
        f"adult: {fault}; the installation of fedlens is damaged: install it again by pip --force-reinstall"
    )


def _packaged(name: str) -> bytes:
    """Return the content of a packaged file."""
    try:
        return files("fedlens.data").joinpath("files", name).read_bytes()
    except OSError as error:
        raise _damaged(f"{name} cannot be read ({error})") from error


class _Rows(NamedTuple):
    """The complete rows of a file, column by column: ``[n, 6]``, eight times n words, and ``[n]``."""

    numbers: NDArray[np.float64]
    categories: list[tuple[str, ...]]
    income: NDArray[np.int64]


class _Encoding(NamedTuple):
    """Turns numbers into ``scale * number + offset``, and has the categories of each feature in alphabetical order."""

    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    categories: list[list[str]]


def _prepare() -> dict[str, Tensor]:
    """Encode the samples of the packaged files."""
    train, test = _train(), _read("adult.test.gz", _TEST)
    encoding = _fit(train)
    encoded = {"train": _encode(train, encoding), "test": _encode(test, encoding)}
    return {f"{name}.{part}": getattr(samples, part) for name, samples in encoded.items() for part in ("x", "y")}


def _train() -> _Rows:
    numbers, categories, income = _read("adult.data.gz", _TRAIN)
    return _Rows(numbers[:_TRAIN_USED], [column[:_TRAIN_USED] for column in categories], income[:_TRAIN_USED])


def _read(name: str, rows: int) -> _Rows:
    """Read the complete rows of a packaged file, with income as 0 or 1."""
    try:
        lines = gzip.decompress(_packaged(name)).decode().splitlines()
        table = [_fields(line) for line in lines if line and not line.startswith("|")]  # a comment
        columns = dict(zip(_FIELDS, zip(*(row for row in table if "?" not in row), strict=True), strict=True))
        numbers = np.array([[int(number) for number in columns[feature]] for feature in NUMERIC], np.float64).T
        # Labels of the test file end in a full stop.
        income = np.array([CLASSES.index(label.removesuffix(".")) for label in columns["income"]], np.int64)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise _damaged(f"{name} cannot be read ({error})") from error
    if len(income) != rows:
        raise _damaged(f"{name} has {len(income):,} complete rows instead of {rows:,}")
    return _Rows(numbers, [columns[feature] for feature in CATEGORICAL], income)


def _fields(line: str) -> list[str]:
    """Return a row's fields.

    Raises:
        ValueError: it has too few or too many.
    """
    row = line.split(", ")
    if len(row) != len(_FIELDS):
        raise ValueError(f"a row has {len(row)} fields instead of {len(_FIELDS)}")
    return row


@cache
def _fitted(content: bytes) -> _Encoding:  # noqa: ARG001 - the key, so that another file is read anew
    """Fit scales and categories to the packaged training rows, once."""
    return _fit(_train())


def _fit(train: _Rows) -> _Encoding:
    least = train.numbers.min(0)
    scale = 1 / (train.numbers.max(0) - least)
    categories = [sorted(set(column)) for column in train.categories]
    if (width := len(NUMERIC) + sum(map(len, categories))) != _WIDTH:
        raise _damaged(f"adult.data.gz encodes to {width} columns instead of {_WIDTH}")
    return _Encoding(scale, 0 - least * scale, categories)


def _encode(rows: _Rows, encoding: _Encoding) -> Samples:
    parts = [rows.numbers * encoding.scale + encoding.offset]
    for column, categories in zip(rows.categories, encoding.categories, strict=True):
        numbers = {category: number for number, category in enumerate(categories)}
        try:
            parts.append(np.eye(len(categories))[[numbers[category] for category in column]])
        except KeyError as error:
            raise _damaged(f"adult.test.gz has a category that adult.data.gz lacks ({error})") from error
    return Samples(torch.from_numpy(np.hstack(parts).astype(np.float32)), torch.from_numpy(rows.income))
