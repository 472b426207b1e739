"""What an option takes, in words."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, NonNegativeInt, PositiveInt

from fedlens.core.config import Config, validate
from fedlens.core.errors import ConfigError
from fedlens.core.wanted import by_type

SIZES = "a whole number greater than 0 or a list of 2 whole numbers greater than 0"


class Several(Config):
    size: PositiveInt | tuple[PositiveInt, PositiveInt] = 3
    place: Literal["left", "right"] | tuple[NonNegativeInt, NonNegativeInt] = "left"
    clients: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (1,)
    values: dict[str, float | str] = Field(default={}, examples=[{"age": 3}])
    share: float = Field(default=0.5, le=3e38)


def test_types_in_words_by_hand() -> None:
    assert by_type(PositiveInt | tuple[PositiveInt, PositiveInt] | None) == SIZES
    assert by_type(tuple[float, ...]) == "a list of numbers"
    assert by_type(Literal["a", "b", "c"]) == "'a', 'b' or 'c'"
    assert by_type(int | Config) == ""


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("size", [2, 3, 4], f"size: {SIZES} is needed, not [2, 3, 4]; e.g. -o size=3"),
        ("size", [0, 1], f"size: {SIZES} is needed, not [0, 1]; e.g. -o size=3"),
        ("size", "big", "size: a whole number or a list is needed, not 'big'; e.g. -o size=3"),
        ("place", [1], "place: 'left' or 'right' or a list of 2 whole numbers of at least 0 is needed, not [1]; "
         "e.g. -o place=left"),
        ("clients", [], "clients: a list of at least 1 is needed, not []; e.g. -o 'clients=[1]'"),
        ("clients", [-1], "clients.0: a number greater than or equal to 0 is needed, not -1; e.g. -o 'clients=[1]'"),
        ("values", 3, "values: a mapping is needed, not 3; e.g. -o 'values={age: 3}'"),
        ("values", {"age": [1]}, "values.age: a number or a word is needed, not [1]; e.g. -o 'values={age: 3}'"),
        ("share", 1e300, "share: a number less than or equal to 3e+38 is needed, not 1e+300; e.g. -o share=0.5"),
    ],
)  # fmt: skip
def test_one_sentence_says_what_is_wrong_with_an_option(option: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(Several, {option: value})
    assert str(caught.value) == said
