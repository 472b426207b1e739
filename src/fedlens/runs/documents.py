"""JSON as it is written into a run's files: numbers that JSON does not have (NaN, infinities) are words there."""

import json
from math import isfinite, isnan
from typing import Any

WORDS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def dumps(value: Any, indent: int | None = None) -> str:
    """`value` as JSON; every other program can read it, too."""
    try:
        return _encoded(value, indent)
    except ValueError:
        return _encoded(_in_words(value), indent)


def revived(value: Any) -> Any:
    """What was read, with these words as numbers again."""
    match value:
        case str():
            return WORDS.get(value, value)
        case list():
            return [revived(entry) for entry in value]
        case dict():
            return {name: revived(entry) for name, entry in value.items()}
    return value


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
