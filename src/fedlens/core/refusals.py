"""Pydantic's errors in our words: what is wrong at each place, what would be right there, and what to type."""

import re
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from fedlens.core.errors import ConfigError, cut, shortened
from fedlens.core.origin import at
from fedlens.core.suggest import TYPED, example, nearest, pasted, plain
from fedlens.core.wanted import by_errors, by_type

CALLED = "{option}={value}"
"""The form of an option that a class is called with in Python."""


@dataclass
class _Location:
    """Where an error is.

    Attributes:
        name: without pydantic's names for a union's branches.
        owner: the model that it is in.
        option: the option that it is at or beneath, if any.
        field: what that option takes.
        details: pydantic's errors there; the branches of a union have one each.
        deeper: whether an error is about an entry of a list that one of several types is.
    """

    name: str
    owner: type[BaseModel]
    option: str
    field: FieldInfo | None
    details: list[ErrorDetails]
    deeper: bool = False


def _located(error: ErrorDetails, model: type[BaseModel], prefix: str) -> _Location:
    path: list[str] = [prefix] if prefix else []
    option, owner, union = "", model, False
    field: FieldInfo | None = None
    for part in error["loc"]:
        path.append(cut(str(part)))
        if (declared := owner.model_fields.get(str(part))) is None:
            continue
        option, field, members = ".".join(path), declared, _members(declared)
        inner = next((cls for cls in members if isinstance(cls, type) and issubclass(cls, BaseModel)), None)
        union = len(members) > 1
        if inner is None:
            path += _within(error["loc"], part, members)
            break
        owner = inner
    deeper = union and isinstance(error["loc"][-1], int)
    return _Location(".".join(path), owner, option, field, [error], deeper)


def _members(field: FieldInfo) -> list[Any]:
    """Return the types of which a field takes a value."""
    annotation = field.annotation
    members = get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)
    return [member for member in dict.fromkeys(members) if member is not NoneType]


def _within(loc: tuple[int | str, ...], option: int | str, members: list[Any]) -> list[str]:
    """Return what names the entry of an option's list or mapping that an error at `loc` is about."""
    beneath = loc[loc.index(option) + 1 :]
    if len(members) > 1:
        return []
    if get_origin(members[0]) is dict:
        return [cut(str(key)) for key in beneath[:1]]
    return [str(entry) for entry in beneath if isinstance(entry, int)]


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
        own = name and text.partition(": ")[0] in location.owner.model_fields
        text = f"{name}{'.' if own else ': '}{text}" if name else text
        return text if " -o " in text else text + remedy
    return f"{name}: {_wanted(location)}, not {shortened(error['input'])}{_if_default(location)}{remedy}"


def _wanted(location: _Location) -> str:
    """Say what would be right at a location."""
    listed = location.deeper or any(error["type"] in {"too_short", "too_long"} for error in location.details[1:])
    if listed and location.field is not None and (words := by_type(location.field.annotation)):
        return f"{words} is needed"
    return by_errors(location.details)


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


def _is_within(inner: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


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
    instead: dict[str, Any] = {}
    causes: list[BaseException] = []
    details = error.errors()
    for detail in details:
        if detail["type"] == "too_short" and any(_is_within(other["loc"], detail["loc"]) for other in details):
            continue  # pydantic does not count the entries that are wrong
        location = _located(detail, model, prefix)
        if (first := locations.setdefault(location.name, location)) is not location:
            first.details.append(detail)
            first.deeper |= location.deeper
        context = detail.get("ctx", {})
        missing |= context.get("missing", {})
        causes += [cause] if (cause := context.get("cause")) is not None else []
        if detail["type"] == "extra_forbidden":
            instead[location.name] = None
        elif location.field is not None and (value := example(location.field, detail["input"])) is not None:
            (missing if detail["type"] == "missing" else instead)[location.option] = value
    refusal = ConfigError("\n".join(_message(location, form) for location in locations.values()), missing, instead)
    refusal.__cause__ = next(iter(causes), None)
    return refusal


def moved(error: ConfigError, option: str, to: str) -> ConfigError:
    """Return a refusal of `option` as one of the option `to`, with all that there is to paste."""
    text = re.sub(rf"(?m)(^|-o '?|, as ){re.escape(option)}\b", rf"\g<1>{to}", str(error))
    missing, instead = (
        {to + name.removeprefix(option): value for name, value in held.items()}
        for held in (error.missing, error.instead)
    )
    refusal = ConfigError(text, missing, instead)
    refusal.__cause__ = error.__cause__
    return refusal
