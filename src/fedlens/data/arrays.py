"""Arrays of the user's own in one NumPy archive (``np.savez``): x and y, or x_train, y_train, x_test and y_test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import override

from fedlens.data.dataset import Data, Dataset
from fedlens.data.table_options import Task
from fedlens.data.user_files import recorded_path


class Arrays(Data):
    """Arrays of yours in an .npz file: x and y, or x_train, y_train, x_test and y_test.

    Inputs are ``[n, ...]``, images ``[n, channels, height, width]``, and become float32; bytes (uint8) are divided by
    255. Classes are whole numbers or words. The archive may also have ``classes``, their names, and ``groups``, whose
    each training sample is.

    Attributes:
        path: the file, relative to that of the experiment, to the data directory or the working directory.
        test: share of each class that are test samples, where the file has only x and y.
        channels: where images have their channels; ``last`` is turned to first, as models expect them.
        task: ``classification``, or ``regression`` where y has quantities, such as prices.

    Example:
        >>> import numpy as np
        >>> from fedlens.data import Arrays
        >>> np.savez("mine.npz", x=np.random.default_rng(0).normal(size=(50, 3)), y=np.arange(50) % 2)
        >>> dataset = Arrays(path="mine.npz").load()
        >>> dataset.classes, dataset.shape, len(dataset.train), len(dataset.test)
        (('0', '1'), (3,), 40, 10)
    """

    later: ClassVar[frozenset[str]] = frozenset({"task"})

    path: str = Field(examples=["mine.npz"])
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    channels: Literal["first", "last"] = "first"
    task: Task = "classification"

    @field_validator("path", mode="after")
    @classmethod
    def _recorded(cls, value: Any, info: ValidationInfo) -> Any:
        """Record the path as `recorded_path` has it."""
        return recorded_path(value, info.context)

    def load(self, directory: Path | None = None) -> Dataset:
        """Read the archive.

        Args:
            directory: where the user keeps data files.

        Raises:
            DataError: there is no such file, or it holds something else; the message names the array and what to do.
        """
        from fedlens.data.array_loading import load_arrays

        last, regression = self.channels == "last", self.regression()
        return load_arrays(self.path, self.test, directory, last=last, regression=regression)

    @override
    def regression(self) -> bool:
        return self.task == "regression"
