"""Typed configuration: what every part of an experiment is described by, and how its mistakes are told.

An attack, a rule, a data set, a partitioner and a model are each a frozen configuration object whose fields are its
hyper-parameters. In YAML a part is its name, or a mapping with its ``name`` and its fields. A name is one of ours, an
entry point of another package (group ``fedlens.attack`` and so on), or ``module:Class``: see `fedlens.core.registry`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from fedlens.core.errors import ConfigError, cut, shortened
from fedlens.core.staying import staying
from fedlens.core.suggest import TYPED, example, nearest, pasted, plain

Described = TypeVar("Described", bound=BaseModel)


class Config(BaseModel):
    """A frozen, validated description; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    later: ClassVar[frozenset[str]] = frozenset()
    """Fields that came after results had been kept: an identity leaves them out at their defaults."""

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_not_truths(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse ``true`` where a number is wanted; pydantic takes it for 1."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and bool not in {annotation, *get_args(annotation)}:
            raise ValueError(f"{plain(value)} is no value for this option")
        if isinstance(value, str) and not value.isascii() and value != value.encode(errors="replace").decode():
            raise ValueError(f"{shortened(value)} has half a character in it")
        return value


def identifying(config: Config, described: Mapping[str, Any]) -> dict[str, Any]:
    """What of a description belongs to its identity: all but the `later` fields that have their defaults.

    Args:
        config: the object.
        described: its fields as plain values, by their names.
    """
    fields = type(config).model_fields
    unsaid = {name for name in config.later if getattr(config, name) == fields[name].default}
    return {name: value for name, value in described.items() if name not in unsaid}


@dataclass
class _Place:
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


def _place(error: ErrorDetails, model: type[BaseModel], prefix: str) -> _Place:
    place: list[str] = [prefix] if prefix else []
    option, owner, union = "", model, False
    field: FieldInfo | None = None
    for part in error["loc"]:
        if union and isinstance(part, str):
            continue
        place.append(cut(str(part)))
        if (found := owner.model_fields.get(str(part))) is not None:
            option, field, annotation = ".".join(place), found, found.annotation
            members = get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)
            union = len(set(members) - {NoneType}) > 1
            owner = next((cls for cls in members if isinstance(cls, type) and issubclass(cls, BaseModel)), owner)
    return _Place(".".join(place), owner, option, field, [error])


def _message(place: _Place, form: str) -> str:
    """What is wrong at a place, and what to type."""
    error, name = place.details[0], place.name
    if error["type"] == "extra_forbidden":
        word = str(error["loc"][-1])
        return f"{name}: unknown option; {nearest(word, place.owner.model_fields, name.removesuffix(cut(word)))}"
    text = error["msg"].removeprefix("Value error, ")
    if error["type"] == "part":
        return text
    remedy = _remedy(place, form)
    if error["type"] == "missing":
        return f"{name} is required{remedy.replace(';', ',')}"
    if error["type"] == "value_error":
        text = f"{name}: {text}" if name else text
        return text if " -o " in text else text + remedy
    wanted = " or ".join(other["msg"].removeprefix("Input should be ") for other in place.details[1:])
    text = f"{text} or {wanted}" if wanted else text
    return f"{name}: {text[0].lower()}{text[1:]}, not {shortened(error['input'])}{remedy}"


def _remedy(place: _Place, form: str) -> str:
    """What to type in place of what was refused, where that is known."""
    if place.field is None or not form:
        return ""
    value = example(place.field, place.details[0]["input"])
    if isinstance(default := place.field.default, Config):
        name = next(iter(type(default).model_fields))
        value = f"{{{name}: {plain(getattr(default, name))}}}"
    return "" if value is None else f"; e.g. {pasted(form, place.option, value)}"


def explain(error: ValidationError, model: type[BaseModel], prefix: str = "", form: str = TYPED) -> ConfigError:
    """A pydantic error in lines that name each place, what would be right there, and what to type.

    Args:
        error: pydantic's.
        model: what was to be built.
        prefix: what stands before each place.
        form: how an option is typed, as `fedlens.core.suggest.typed` has it; empty where there is nothing to type.
    """
    found: dict[str, _Place] = {}
    missing: dict[str, Any] = {}
    causes: list[BaseException] = []
    for detail in error.errors():
        place = _place(detail, model, prefix)
        if (known := found.setdefault(place.name, place)) is not place:
            known.details.append(detail)
        context = detail.get("ctx", {})
        missing |= context.get("missing", {})
        causes += [cause] if (cause := context.get("cause")) is not None else []
        if detail["type"] == "missing" and place.field is not None:
            missing[place.option] = example(place.field)
    refusal = ConfigError("\n".join(_message(place, form) for place in found.values()), missing)
    refusal.__cause__ = next(iter(causes), None)
    return refusal


def validate(
    model: type[Described], values: dict[str, Any], prefix: str = "", form: str = TYPED, source: object = None
) -> Described:
    """Build `model` from `values`; see `fedlens.experiment.fields` for their source.

    Args:
        model: what to build.
        values: its options.
        prefix: what stands before an option's name in a message.
        form: how an option is typed; see `explain`.
        source: where they come from.

    Raises:
        ConfigError: a value is impossible or an option unknown; one line for each.
    """
    try:
        with staying(f"{prefix or 'the configuration'}, being validated,", ConfigError):
            return model.model_validate(values, context=source)
    except ValidationError as error:
        refusal = explain(error, model, prefix, form)
        raise refusal from refusal.__cause__  # such as what an import of the user's own module ended with
