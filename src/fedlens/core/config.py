"""Typed configuration: what every component of an experiment is described by.

An attack, a rule, a data set, a partitioner and a model are each a frozen configuration object whose fields are its
hyper-parameters. In YAML a component is its name, or a mapping with its ``name`` and its fields. A name is one of ours,
an entry point of another package (group ``fedlens.attack`` and so on), or ``module:Class``: `fedlens.core.registry`.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, PydanticUserError, ValidationError, ValidationInfo, field_validator

from fedlens.core.errors import ConfigError, FedlensError, shortened
from fedlens.core.origin import at, place_of, told
from fedlens.core.refusals import CALLED, explain
from fedlens.core.staying import staying
from fedlens.core.suggest import TYPED, plain

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

Described = TypeVar("Described", bound=BaseModel)


class _Described(ModelMetaclass):
    """Says in our words what is wrong with a class of the user's, or with what it is called with."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **rest: Any) -> type:
        """Make the class.

        Raises:
            TypeError: one of its fields is none that could be described.
        """
        try:
            return super().__new__(mcs, name, bases, namespace, **rest)
        except PydanticUserError as error:
            raise TypeError(f"{name}: {_in_our_words(error, namespace)}") from None

    if not TYPE_CHECKING:  # a class is called with its fields, which a type checker knows

        def __call__(cls, *values, **named):
            """Make a description.

            Raises:
                ConfigError: a value is impossible or a field unknown; one line for each.
            """
            try:
                return super().__call__(*values, **named)
            except ValidationError as error:
                raise explain(error, cls, form=CALLED) from None


def _in_our_words(error: PydanticUserError, namespace: Mapping[str, Any]) -> str:
    """Say what is wrong with a class's fields, and what to write."""
    message = str(error.message)
    if error.code in {"model-field-missing-annotation", "model-field-overridden"}:
        match = re.search(r"`(\w+) = |[Ff]ield '(\w+)'", message)
        field = next(filter(None, match.groups())) if match else "field"
        value = namespace.get(field)
        plainly = isinstance(value, bool | int | float | str)
        kind = type(value).__name__ if plainly else "ClassVar"
        return f"{field} has no type; annotate it: {field}: {kind} = {shortened(value) if plainly else '...'}"
    if error.code == "schema-for-unknown-type":
        kind = next(iter(re.findall(r"for <class '([^']+)'>", message)), "an unknown type")
        return f"{kind} is no type of an option; take numbers, words, true or false, or lists of these"
    return message.partition("\n")[0]


class Config(BaseModel, metaclass=_Described):
    """A frozen, validated description; an unknown field is an error.

    Example:
        >>> from fedlens.core import Config
        >>> class Window(Config):
        ...     first: int = 1
        ...     last: int
        >>> Window(last=5)
        Window(first=1, last=5)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    later: ClassVar[frozenset[str]] = frozenset()
    """Fields that came after results had been kept: an identity leaves them out at their defaults.

    Those of a class that it derives from count, too.
    """

    keeping: ClassVar[str] = "compute it in the method that needs it"
    """What to do in place of setting an attribute."""

    @property
    def code_behind(self) -> tuple[type, ...]:
        """The classes whose code decides what it does."""
        return (type(self),)

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse it, but for an attribute of the user's own that begins with an underscore."""
        try:
            super().__setattr__(name, value)
        except ValidationError:
            raise AttributeError(f"{name} cannot be set, for {type(self).__name__} is frozen; {self.keeping}") from None

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
    """Return the fields that belong to an identity: all but the `later` ones at their defaults.

    Args:
        config: the object.
        described: its fields as plain values, by their names.
    """
    fields = type(config).model_fields
    later = {name for base in type(config).__mro__ for name in getattr(base, "later", ())}
    unsaid = {name for name in later if getattr(config, name) == fields[name].default}
    return {name: value for name, value in described.items() if name not in unsaid}


def validate(
    model: type[Described], values: dict[str, Any], prefix: str = "", form: str = TYPED, source: object = None
) -> Described:
    """Build `model` from `values`; see `fedlens.core.fields` for their source.

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
    except FedlensError:
        raise
    except Exception as error:
        definition = "" if place_of(error) else at(model.__init__) or at(model)
        if not (definition or place_of(error)):
            raise
        where = f"{prefix}: " if prefix else ""
        raise ConfigError(f"{where}{model.__name__} cannot be made: {told(error)}{definition}") from error
