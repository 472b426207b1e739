"""JSON as it is written into a run's files: numbers that JSON does not have (NaN, infinities) are words there."""

import json
import re
from math import isfinite, isnan
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

Finite = Annotated[float, Field(allow_inf_nan=False)]
"""A number that JSON has."""
Proportion = Annotated[float, Field(ge=0, le=1)]
"""A share of a whole, or a probability; NaN is none."""
WORDS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}

_HALF = re.compile(r"[\ud800-\udfff]|\\ud[89a-f]", re.IGNORECASE)
"""A surrogate, or in ASCII what may be one."""


def dumps(value: Any, indent: int | None = None) -> str:
    """Return `value` as JSON that any other program can read.

    Halves of characters (surrogates), which are in no text, become question marks.
    """
    try:
        text = _encoded(value, indent)
    except ValueError:
        value = _in_words(value)
        text = _encoded(value, indent)
    if not _HALF.search(text):
        return text
    whole = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False).encode(errors="replace").decode()
    return whole if indent is not None else json.dumps(json.loads(whole), allow_nan=False)


def revived(value: Any) -> Any:
    """Return what was read, with the `WORDS` turned back into numbers."""
    match value:
        case str():
            return WORDS.get(value, value)
        case list():
            return [revived(entry) for entry in value]
        case dict():
            return {name: revived(entry) for name, entry in value.items()}
    return value


Logged = Annotated[str | bool | int | float | None, BeforeValidator(revived)]
"""A number or a word."""


def _encoded(value: Any, indent: int | None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=indent is None, allow_nan=False)


def _in_words(value: Any) -> Any:
    match value:
        case float() if not isfinite(value):
            return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case list() | tuple():
            return [_in_words(entry) for entry in value]
        case dict():
            return {name: _in_words(entry) for name, entry in value.items()}
    return value
