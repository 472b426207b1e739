"""Fixed values of some features of a record: the counterpart of a patch of pixels.

Such as a capital gain of 99,999 dollars in the Adult data, which stands for "so much or more". Values are raw, as in
the files that the data come from; the data set encodes them as it encodes its own (`fedlens.data.Columns.encoded`).
Where none is given, the data choose a rare one: see `fedlens.goals.rare_value`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, NonNegativeInt
from typing_extensions import override

from fedlens.core.errors import ConfigError
from fedlens.data.dataset import Data, Dataset
from fedlens.data.described_columns import columns_of
from fedlens.goals.painting import Pixel
from fedlens.goals.rare_value import rare_value
from fedlens.goals.trigger import Trigger, require_measures

if TYPE_CHECKING:
    from torch import Tensor


class FeatureValues(Trigger):
    """Fixed values of some of a record's features.

    Attributes:
        values: raw values, numbers or categories, by the features' names; by default one that is rare in the data.
        columns: values of columns of the input, by their numbers, for data that name no features.

    Example:
        >>> import torch
        >>> from fedlens.goals import FeatureValues
        >>> FeatureValues(columns={1: 0.5}).stamp(torch.zeros(1, 3))
        tensor([[0.0000, 0.5000, 0.0000]])
    """

    values: dict[str, Pixel | str] = Field(default={}, examples=[{"capital-gain": 99999}])
    columns: dict[NonNegativeInt, Pixel] = Field(default={}, examples=[{0: 1}])

    @override
    def fitted(self, data: Data, dataset: Dataset) -> FeatureValues:
        require_measures(dataset)
        if len(dataset.shape) != 1:
            raise ConfigError(
                f"goal.trigger: sets features of records, but inputs have shape {dataset.shape}; "
                "for images, e.g. -o goal.trigger=pixel-patch"
            )
        known = columns_of(data, dataset)
        columns = dict(self.columns)
        for feature, value in self.values.items():
            columns |= known.encoded(feature, value)
        if not columns:
            columns = rare_value(dataset.train.x, known.features)
        if (last := max(columns)) >= dataset.shape[0]:
            raise ConfigError(
                f"goal.trigger.columns: there is no column {last}; the last is {dataset.shape[0] - 1}; "
                f"e.g. -o 'goal.trigger.columns={{{dataset.shape[0] - 1}: 1}}'"
            )
        return self.model_copy(update={"values": {}, "columns": columns})

    @override
    def stamp(self, x: Tensor, part: int | None = None) -> Tensor:
        if self.values:
            raise ValueError("values: are encoded by `fitted`; call that before, or give columns")
        record = x.clone()
        for column, value in self.columns.items():
            record[:, column] = value
        return record
