"""A table of the user's own: one row a sample, one column the label; see `fedlens.data.table_loading` for how."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from typing_extensions import override

from fedlens.core.errors import shortened
from fedlens.data.dataset import Data, Dataset
from fedlens.data.table_options import Decimal, Given, Missing, Scaling, TableOptions, Task
from fedlens.data.user_files import recorded_path


def _word(value: Any) -> Any:
    """Take a number for the name of a column: YAML reads ``2020`` as one."""
    return str(value) if type(value) in {int, float} else value


def _list(value: Any) -> Any:
    """Take a name alone for a list of one."""
    return [value] if isinstance(value, str | int | float) and not isinstance(value, bool) else value


Name = Annotated[str, BeforeValidator(_word)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_list)]


class Table(Data):
    r"""A table of yours, CSV or Parquet: one row a sample, a column for the label.

    Inputs are ``[n, columns]``: numbers, dates (in days) and truths scaled, and a column for each category.

    Attributes:
        path: the file, relative to that of the experiment, to the data directory or the working directory.
        label: the column of classes, or of the quantity to predict; by default the last.
        test: share of each class's rows that are test samples, or a second file.
        group: the column that says whose each sample is; no input.
        drop: columns to leave out.
        types: what columns hold, by name, where it is not found out rightly: numeric, category or date.
        missing: what to do if a value is missing: refuse; drop the row; take it for a category of its own, and for
            numbers the mean with a column that says so; or take the mean, and the commonest category.
        scaling: of numbers: to [0, 1], or to mean 0 and standard deviation 1.
        delimiter: what separates the values of CSV; by default the one of ``, ; tab |`` that fits.
        decimal: what stands before decimals in CSV; by default it is found out.
        encoding: of CSV; by default UTF-8, or UTF-16 with a byte-order mark.
        names: of the columns, for CSV that has none in its first row.
        task: ``classification``, or ``regression`` where the label is a quantity, such as a price.

    Example:
        >>> from pathlib import Path
        >>> from fedlens.data import Table
        >>> rows = "".join(f"{age},{paid}\n" for age, paid in zip(range(20, 60), ["no", "yes"] * 20))
        >>> _ = Path("claims.csv").write_text("age,paid\n" + rows)
        >>> dataset = Table(path="claims.csv").load()
        >>> dataset.classes, dataset.shape, len(dataset.train), len(dataset.test)
        (('no', 'yes'), (1,), 32, 8)
    """

    later: ClassVar[frozenset[str]] = frozenset({"task"})

    path: str = Field(examples=["mine.csv"])
    label: Name | None = None
    test: Annotated[float, Field(gt=0, lt=1)] | str = 0.2
    group: Name | None = None
    drop: Names = ()
    types: dict[Name, Given] = Field(default={})
    missing: Missing = "refuse"
    scaling: Scaling = "min-max"
    delimiter: str | None = Field(default=None, examples=[";"])
    decimal: Decimal | None = None
    encoding: str | None = None
    names: Names = ()
    task: Task = "classification"

    @field_validator("path", "test", mode="after")
    @classmethod
    def _recorded(cls, value: Any, info: ValidationInfo) -> Any:
        """Record paths as `recorded_path` has them."""
        return recorded_path(value, info.context) if isinstance(value, str) else value

    @field_validator("delimiter", mode="after")
    @classmethod
    def _is_mark(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[\t !#-/:-@\[-`{-~]", value):
            raise ValueError(f"a single mark or a tab is needed, not {shortened(value)}")
        return value

    @field_validator("names", "drop", mode="after")
    @classmethod
    def _differ(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"there are two of a name; e.g. {', '.join(map(shortened, dict.fromkeys(value)))}")
        return value

    @model_validator(mode="after")
    def _other_file(self) -> Self:
        if self.test == self.path:
            raise ValueError("the test samples are the training samples; e.g. -o data.test=0.2")
        return self

    def load(self, directory: Path | None = None) -> Dataset:
        """Read the table, and fit scales and categories to the training samples.

        Args:
            directory: where the user keeps data files.

        Raises:
            DataError: there is no such file, or it holds something that nothing can be learnt from, or learnt by
                guessing alone; the message names file, row and column, and what to do.
        """
        from fedlens.data.table_loading import load_table

        return load_table(TableOptions(**dict(self)), directory)

    @override
    def regression(self) -> bool:
        return self.task == "regression"

    @override
    def default_trigger(self) -> str:
        return "feature-values"
