import io
from typing import Any

import pandas as pd
import pytest
from smallgrid import grid_of, swept

from fedlens.experiment.flat import of_one_type


def test_a_column_for_each_option_that_varies_missing_where_it_does_not_apply() -> None:
    attacks = ["none", "explicit-boosting"]
    table = swept(grid_of({"attack": attacks, "attack.boost": ["auto", 5], "target.draw": [0]})).rounds
    first = table[table["round"] == 1].reset_index(drop=True)
    assert list(table.columns[:7]) == ["cell", "attack", "attack.boost", "seed", "target.draw", "target_index", "round"]
    assert list(first["attack"]) == ["none", "explicit-boosting", "explicit-boosting"]
    assert first["attack.boost"].isna().tolist() == [True, False, False]
    assert list(first["attack.boost"])[1:] == ["auto", "5"]
    assert first["attack_boost"].isna().tolist() == [True, False, False]
    assert first["target_index"].map(type).eq(str).all()


def test_a_sweep_without_a_complete_cell_has_an_empty_table() -> None:
    class Idle:
        def __init__(self, *_: object) -> None:
            pass

        def __enter__(self) -> "Idle":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def run(self, *_: object) -> None:
            pass

    assert swept(grid_of({"seed": [0]}), Idle).rounds.empty
    assert pd.read_parquet("sweep/rounds.parquet").empty


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5], [1, 2.5]),
        ([2**63 - 1, 1], [2**63 - 1, 1]),
        ([2**70, 1], [str(2**70), "1"]),
        (["auto", 5], ["auto", "5"]),
        (["auto", 2.0, True], ["auto", "2", "true"]),
        ([True, None], [True, None]),
        ([[1], {"a": 1}], ["[1]", "{'a': 1}"]),
        ([None, "a"], [None, "a"]),
    ],
)
def test_a_column_is_of_one_type_and_fits_into_a_file(values: list[Any], expected: list[Any]) -> None:
    made = of_one_type(pd.Series(values, dtype=object))
    file = io.BytesIO()
    pd.DataFrame({"column": made}).to_parquet(file)
    read = pd.read_parquet(file)["column"]
    assert [None if pd.isna(value) else value for value in read] == expected
