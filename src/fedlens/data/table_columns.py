"""Features of a table as columns of the input: scaled numbers, and categories in one column each.

Scales and categories are fitted on the training samples alone. A category that these lack is zero in all columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from fedlens.core.errors import ConfigError, cut, shortened
from fedlens.core.suggest import nearest
from fedlens.data.columns import Columns
from fedlens.data.table_options import Scaling

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float32]
UNKNOWN = "missing"
"""The category of what is missing, and what is said of it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Number:
    """A number, a date or a truth: the column ``scale · value + shift``, and perhaps a second that is 1 where missing.

    Attributes:
        name: of the feature.
        kind: numeric, date or boolean.
        scale: see above.
        shift: see above.
        mean: of the training samples; stands for what is missing.
        low: smallest value of the training samples.
        high: largest.
        whole: whether all values are whole numbers.
        flagged: whether the second column is there.
        scaling: how `scale` and `shift` were fitted.
    """

    name: str
    kind: str
    scale: float
    shift: float
    mean: float
    low: float
    high: float
    whole: bool
    flagged: bool
    scaling: Scaling

    @property
    def width(self) -> int:
        """Number of its columns."""
        return 1 + self.flagged

    @classmethod
    def fitted(cls, name: str, kind: str, values: NDArray[np.float64], scaling: Scaling, *, flagged: bool) -> Number:
        """Fit the scale to values of training samples (``[n]``), at least one of which is not NaN."""
        from sklearn.preprocessing import MinMaxScaler, StandardScaler

        present = values[~np.isnan(values)]
        if scaling == "min-max":
            fitted = MinMaxScaler().fit(present[:, None])
            scale, shift = float(fitted.scale_[0]), float(fitted.min_[0])
        else:
            standard = StandardScaler().fit(present[:, None])
            scale = 1 / float(standard.scale_[0])
            shift = -float(standard.mean_[0]) * scale
        span = float(present.min()), float(present.max())
        whole = bool((present == np.round(present)).all())
        return cls(name, kind, scale, shift, float(present.mean()), *span, whole, flagged, scaling)

    def encode(self, values: NDArray[np.float64]) -> Array:
        """Return the columns of these values (``[n]``, NaN where missing), ``[n, width]``."""
        absent = np.isnan(values)
        column = np.where(absent, self.mean, values) * self.scale + self.shift
        return np.stack([column, absent][: self.width], axis=1).astype(np.float32)

    def entries(self, value: float | str) -> list[float]:
        """Return the columns of one raw value.

        Raises:
            ConfigError: it is none.
        """
        number: float | None = None if isinstance(value, str) else float(value)
        if self.kind == "boolean" and str(value).lower() in {"true", "false"}:
            number = float(str(value).lower() == "true")
        if self.kind == "date" and isinstance(value, str):
            number = _day(value)
        if number is None:
            kinds = {"date": "a date as 2026-12-31", "boolean": "true or false", "numeric": "a number"}
            raise ConfigError(f"goal.trigger.values: {self.name} is {kinds[self.kind]}, not {shortened(value)}")
        return [number * self.scale + self.shift, 0.0][: self.width]

    def word(self, entries: Sequence[float]) -> str:
        """Return the value in words of which these are the columns."""
        if self.flagged and entries[1] > 0.5:
            return UNKNOWN
        return self.said((entries[0] - self.shift) / self.scale)

    def said(self, value: float) -> str:
        """Return a raw value in words."""
        if self.kind == "boolean":
            truths = {0.0: "false", 1.0: "true"}
            return truths.get(round(value, 2), f"{value:.2g}")
        if self.kind == "date" and -719_162 <= round(value) <= 2_932_896:  # of the years 1 to 9999
            return (_EPOCH + timedelta(days=round(value))).date().isoformat()
        return (
            f"{value:.0f}" if self.whole and abs(value) < 1e15 and abs(value - round(value)) < 0.05 else f"{value:.5g}"
        )

    @property
    def encoding(self) -> str:
        """What its columns are, in words."""
        what = f"{self.scaling} scaled, from {self.said(self.low)} to {self.said(self.high)}"
        return f"{what}; another column for missing" if self.flagged else what


@dataclass(frozen=True)
class Category:
    """A category: a column for each, 1 where it is this one and 0 in the others.

    Attributes:
        name: of the feature.
        encoder: fitted to the training samples.
        common: the category of the most training samples; stands for what is missing, unless that is one itself.
    """

    name: str
    encoder: Any
    common: str
    kind: str = "category"

    @property
    def categories(self) -> list[str]:
        """The categories, in the order of their columns."""
        return [str(category) for category in self.encoder.categories_[0]]

    @property
    def width(self) -> int:
        """Number of its columns."""
        return len(self.categories)

    @classmethod
    def fitted(cls, name: str, words: NDArray[Any]) -> Category:
        """Fit the categories to words of training samples (``[n]``), at least one of which is not ``None``."""
        from sklearn.preprocessing import OneHotEncoder

        present = words[[word is not None for word in words]]
        found, counts = np.unique(present.astype(str), return_counts=True)
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
        return cls(name, encoder.fit(present[:, None]), str(found[counts.argmax()]))

    def encode(self, words: NDArray[Any]) -> Array:
        """Return the columns of these words (``[n]``, ``None`` where missing), ``[n, width]``."""
        filled = np.array([self.common if word is None else word for word in words], dtype=object)
        encoded: Array = self.encoder.transform(filled[:, None])
        return encoded

    def entries(self, value: float | str) -> list[float]:
        """Return the columns of one category.

        Raises:
            ConfigError: there is no such one.
        """
        word = str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else f"{value:.12g}"
        if word not in self.categories:
            meant = nearest(word, self.categories)
            raise ConfigError(f"goal.trigger.values: {self.name} is never {shortened(word)}; {meant}")
        return [float(category == word) for category in self.categories]

    def word(self, entries: Sequence[float]) -> str:
        """Return the category of which these are the columns."""
        if max(entries) <= 0.5:
            return "unknown"
        return self.categories[int(np.argmax(entries))]

    @property
    def encoding(self) -> str:
        """What its columns are, in words."""
        return f"one column each: {cut(', '.join(self.categories), 120)}"


class TableColumns(Columns):
    """The columns of a table that has been read."""

    def __init__(self, parts: Sequence[Number | Category]) -> None:
        self.parts = tuple(parts)
        self.features = tuple(part.name for part in parts for _ in range(part.width))
        starts = np.cumsum([0, *(part.width for part in parts)]).tolist()
        self._at = {part.name: (part, start) for part, start in zip(parts, starts, strict=False)}

    @override
    def encoded(self, feature: str, value: float | str) -> dict[int, float]:
        if feature not in self._at:
            raise ConfigError(f"goal.trigger.values: there is no feature {cut(feature)}; {nearest(feature, self._at)}")
        part, start = self._at[feature]
        return dict(enumerate(part.entries(value), start))

    @override
    def words(self, record: Tensor) -> dict[str, str]:
        entries = record.tolist()
        return {name: part.word(entries[start : start + part.width]) for name, (part, start) in self._at.items()}

    @override
    def described(self) -> dict[str, tuple[str, str]]:
        return {part.name: (part.kind, part.encoding) for part in self.parts}


def _day(value: str) -> float | None:
    """Return a date as days since 1970; ``None`` if it is none."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) / timedelta(days=1)
