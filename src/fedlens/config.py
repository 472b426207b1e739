"""Typed configuration: what every part of an experiment is described by, and how its mistakes are told.

An attack, a rule, a data set, a partitioner and a model are each a frozen configuration object whose fields are its
hyper-parameters. In YAML a part is its name, or a mapping with its ``name`` and its fields. A name is one of ours, an
entry point of another package (group ``fedlens.attack`` and so on), or ``module:Class``: see `fedlens.parts`.
"""

import difflib
from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from fedlens.errors import ConfigError, cut, shortened
from fedlens.staying import staying

PAPER_SYMBOLS = {
    "K": "clients",
    "C": "fraction",
    "T": "rounds",
    "E": "local.epochs",
    "B": "local.batch_size",
    "r": "target.r",
    "lambda": "attack.boost",
    "E_m": "attack.epochs",
}


LONGEST_WORD = 200
"""No option or part has a longer name."""

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
            raise ValueError(f"{str(value).lower()} is no value for this option")
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


def nearest(word: str, known: Iterable[str], prefix: str = "") -> str:
    """A sentence that names what `word` may have meant, as it is called below `prefix`, or else all that is known."""
    known = sorted(known)
    if len(word) > LONGEST_WORD:  # to compare it would take long, and in vain
        return f"known: {', '.join(known)}" if known else "it has no options"
    if (symbol := PAPER_SYMBOLS.get(word)) is not None:
        return f"the paper's {word} is called {symbol} here"
    if close := difflib.get_close_matches(word, known, n=1, cutoff=0.6):
        return f"did you mean {prefix}{close[0]}?"
    return f"known: {', '.join(known)}" if known else "it has no options"


def _place(error: ErrorDetails, model: type[BaseModel]) -> tuple[str, type[BaseModel]]:
    """Where the error is, without pydantic's names for a union's branches, and the model that it is in."""
    place: list[str] = []
    owner, union = model, False
    for part in error["loc"]:
        if union and isinstance(part, str):
            continue
        place.append(cut(str(part)))
        if (found := owner.model_fields.get(str(part))) is not None:
            annotation = found.annotation
            members = get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)
            union = len(set(members) - {NoneType}) > 1
            owner = next((cls for cls in members if isinstance(cls, type) and issubclass(cls, BaseModel)), owner)
    return ".".join(place), owner


def _message(errors: list[ErrorDetails], place: str, owner: type[BaseModel]) -> str:
    """What is wrong at `place`; the branches of a union have an error each."""
    error = errors[0]
    if error["type"] == "extra_forbidden":
        word = str(error["loc"][-1])
        return f"{place}: unknown option; {nearest(word, owner.model_fields, place.removesuffix(cut(word)))}"
    text = error["msg"].removeprefix("Value error, ")
    if error["type"] == "part":
        return text
    if error["type"] == "missing":
        return f"{place}: needs a value, for it has no default"
    if error["type"] == "value_error":
        return f"{place}: {text}" if place else text
    wanted = " or ".join(other["msg"].removeprefix("Input should be ") for other in errors[1:])
    text = f"{text} or {wanted}" if wanted else text
    return f"{place}: {text[0].lower()}{text[1:]}, not {shortened(error['input'])}"


def explain(error: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """A pydantic error as lines that name each place and what would be right there."""
    found: dict[str, tuple[list[ErrorDetails], type[BaseModel]]] = {}
    for detail in error.errors():
        place, owner = _place(detail, model)
        place = f"{prefix}.{place}" if prefix and place else prefix or place
        found.setdefault(place, ([], owner))[0].append(detail)
    return "\n".join(_message(details, place, owner) for place, (details, owner) in found.items())


def validate(model: type[Described], values: dict[str, Any], prefix: str = "", source: object = None) -> Described:
    """Build `model` from `values`, which come from this `source` (see `fedlens.fields`).

    Raises:
        ConfigError: a value is impossible or an option unknown; one line for each.
    """
    try:
        with staying(f"{prefix or 'the configuration'}, being validated,", ConfigError):
            return model.model_validate(values, context=source)
    except ValidationError as error:
        raise ConfigError(explain(error, model, prefix)) from None
