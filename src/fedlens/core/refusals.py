"""Pydantic's errors in our words: what is wrong at each place, what would be right there, and what to type."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from fedlens.core.errors import ConfigError, cut, shortened
from fedlens.core.origin import at
from fedlens.core.suggest import TYPED, example, nearest, pasted, plain

CALLED = "{option}={value}"
"""The form of an option that a class is called with in Python."""

NEEDED: Mapping[str, str] = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    "finite_number": "a finite number",
    "string_type": "a word",
    "literal_error": "{expected}",
    **dict.fromkeys(("greater_than", "greater_than_equal", "less_than", "less_than_equal"), "a number {bound}"),
}
"""What is needed where pydantic finds an error of this type."""


@dataclass
class _Location:
    """Where an error is.

    Attributes:
        name: without pydantic's names for a union's branches.
        owner: the model that it is in.
        option: the option that it is at or beneath, if any.
        field: what that option takes.
        details: pydantic's errors there; the branches of a union have one each.
    """

    name: str
    owner: type[BaseModel]
    option: str
    field: FieldInfo | None
    details: list[ErrorDetails]


def _located(error: ErrorDetails, model: type[BaseModel], prefix: str) -> _Location:
    path: list[str] = [prefix] if prefix else []
    option, owner, union = "", model, False
    field: FieldInfo | None = None
    for part in error["loc"]:
        if union and isinstance(part, str):
            continue
        path.append(cut(str(part)))
        if (declared := owner.model_fields.get(str(part))) is not None:
            option, field, annotation = ".".join(path), declared, declared.annotation
            members = get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)
            union = len(set(members) - {NoneType}) > 1
            owner = next((cls for cls in members if isinstance(cls, type) and issubclass(cls, BaseModel)), owner)
    return _Location(".".join(path), owner, option, field, [error])


def _message(location: _Location, form: str) -> str:
    """Say what is wrong at a location, and what to type."""
    error, name = location.details[0], location.name
    if error["type"] == "extra_forbidden":
        word = str(error["loc"][-1])
        return f"{name}: unknown option; {nearest(word, location.owner.model_fields, name.removesuffix(cut(word)))}"
    text = error["msg"].removeprefix("Value error, ")
    if error["type"] == "component":
        return text
    if error["type"] == "model_type" and form and (option := _option_of(location, form)):
        return f"{name} has options of its own, {option}"
    remedy = _remedy(location, form)
    if error["type"] == "missing":
        return f"{name} is required{remedy.replace(';', ',')}"
    if error["type"] == "value_error":
        text = f"{name}: {text}" if name else text
        return text if " -o " in text else text + remedy
    return f"{name}: {_wanted(location.details)}, not {shortened(error['input'])}{_if_default(location)}{remedy}"


def _wanted(details: list[ErrorDetails]) -> str:
    """Say what would be right, by pydantic's errors at one location."""
    bounds = [error["msg"].removeprefix("Input should be ") for error in details]
    words = [
        NEEDED.get(error["type"], "").format(**{"bound": bound, **error.get("ctx", {})})
        for error, bound in zip(details, bounds, strict=True)
    ]
    if all(words):
        return f"{' or '.join(dict.fromkeys(words))} is needed"
    wanted = " or ".join([details[0]["msg"], *bounds[1:]])
    return f"{wanted[0].lower()}{wanted[1:]}"


def _if_default(location: _Location) -> str:
    """Say whose default was refused, if it was one."""
    if location.field is None or location.details[0]["input"] is not location.field.default:
        return ""
    return f", its default in {location.owner.__name__}{at(location.owner)}"


def _option_of(location: _Location, form: str) -> str:
    """Say how to type an option of what is no plain value, as in ``e.g. -o 'local={epochs: 1}'``."""
    for name, field in location.owner.model_fields.items():
        if (value := example(field)) is not None:
            options = {name: value} if form == CALLED else f"{{{name}: {plain(value)}}}"
            return f"e.g. {_given(form, location.option, options)}"
    return ""


def _given(form: str, option: str, value: object) -> str:
    """Return what to type, or to write in Python."""
    return f"{option.rpartition('.')[2]}={value!r}" if form == CALLED else pasted(form, option, value)


def _remedy(location: _Location, form: str) -> str:
    """Say what to type instead of what was refused, if that is known."""
    if location.field is None or not form:
        return ""
    value = example(location.field, location.details[0]["input"])
    return "" if value is None else f"; e.g. {_given(form, location.option, value)}"


def explain(error: ValidationError, model: type[BaseModel], prefix: str = "", form: str = TYPED) -> ConfigError:
    """Put a pydantic error into lines that name each location, what would be right there, and what to type.

    Args:
        error: pydantic's.
        model: what was to be built.
        prefix: what precedes each location.
        form: how an option is typed, as `fedlens.core.suggest.typed` has it; empty where there is nothing to type.
    """
    locations: dict[str, _Location] = {}
    missing: dict[str, Any] = {}
    causes: list[BaseException] = []
    for detail in error.errors():
        location = _located(detail, model, prefix)
        if (first := locations.setdefault(location.name, location)) is not location:
            first.details.append(detail)
        context = detail.get("ctx", {})
        missing |= context.get("missing", {})
        causes += [cause] if (cause := context.get("cause")) is not None else []
        if detail["type"] == "missing" and location.field is not None:
            missing[location.option] = example(location.field)
    refusal = ConfigError("\n".join(_message(location, form) for location in locations.values()), missing)
    refusal.__cause__ = next(iter(causes), None)
    return refusal
