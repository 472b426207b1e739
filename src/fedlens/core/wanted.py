"""What an option takes, in words: by pydantic's errors where it got something else, or by its type."""

from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic_core import ErrorDetails

from fedlens.core.suggest import bounds

NEEDED: Mapping[str, str] = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    "dict_type": "a mapping",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "finite_number": "a finite number",
    "string_type": "a word",
    "literal_error": "{expected}",
    **dict.fromkeys(("greater_than", "greater_than_equal", "less_than", "less_than_equal"), "a number {bound}"),
}
"""What is needed where pydantic finds an error of this type."""

NOUNS: Mapping[Any, tuple[str, str]] = {
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("a word", "words"),
}
"""What an option of this type takes, one and several."""

SIGNS = {"gt": "greater than", "ge": "of at least", "lt": "less than", "le": "of at most"}


def by_errors(details: Sequence[ErrorDetails]) -> str:
    """Say what would be right, by pydantic's errors at one location."""
    bounded = [_bound(error) for error in details]
    words = [
        NEEDED.get(error["type"], "").format(**{"bound": bound, **error.get("ctx", {})})
        for error, bound in zip(details, bounded, strict=True)
    ]
    if all(words):
        return f"{' or '.join(dict.fromkeys(words))} is needed"
    wanted = " or ".join([details[0]["msg"], *bounded[1:]])
    return f"{wanted[0].lower()}{wanted[1:]}"


def by_type(annotation: Any) -> str:
    """Say what an option of this type takes; empty if its members have no words here.

    Example:
        >>> from fedlens.core.wanted import by_type
        >>> by_type(int | tuple[float, float])
        'a whole number or a list of 2 numbers'
    """
    members = get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)
    words = [_of(member) for member in members if member is not NoneType]
    return " or ".join(words) if all(words) else ""


def _of(kind: Any, several: bool = False) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        within = " and ".join(f"{SIGNS[sign]} {bound:g}" for sign, bound in bounds(arguments[1:]))
        return f"{_of(arguments[0], several)} {within}".rstrip()
    if origin is Literal:
        *most, last = map(repr, arguments)
        return f"{', '.join(most)} or {last}" if most else last
    if origin is tuple:
        count = "" if arguments[-1] is Ellipsis else f"{len(arguments)} "
        return f"a list of {count}{_of(arguments[0], several=True)}"
    return NOUNS.get(kind, ("", ""))[several]


def _bound(error: ErrorDetails) -> str:
    """Return the bound that an error is about, as in ``less than 3``; a long number in few digits."""
    text = error["msg"].removeprefix("Input should be ")
    value = next((value for value in error.get("ctx", {}).values() if isinstance(value, float)), None)
    return text if value is None or abs(value) < 1e15 else f"{text.rpartition(' ')[0]} {value:g}"
