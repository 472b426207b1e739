"""Fields of an experiment that hold components, which `fedlens.core.registry` makes and describes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, SerializationInfo, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from fedlens.core.config import Config
from fedlens.core.errors import ConfigError
from fedlens.core.registry import BUILT_IN, Description, Record, build, describe, name_of, unusual_values

Source = Description | Record


@dataclass(frozen=True)
class Component:
    """Marks a field that holds a component of this kind: ``Annotated[Rule, Component("aggregation")]``.

    Attributes:
        kind: the kind of component, which is also the field's name.
        optional: the class of one that may be ``none``: ``Annotated[Attack | None, Component("attack", Attack)]``.
        absent: the word that stands for none; ``None`` if only null does, as where none means a default.
    """

    kind: str
    optional: type[Config] | None = None
    absent: str | None = "none"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate by `build`, serialise by `describe`."""
        base: type[Config] = self.optional or source

        def make(value: object, source: Source) -> Config | None:
            if self.optional and value in (None, self.absent, {"name": self.absent}):
                return None
            if self.optional and self.absent == "none" and isinstance(value, Mapping) and value.get("name") == "none":
                example = next(iter(BUILT_IN[self.kind]))
                raise ConfigError(f"{self.kind}: none has no options; leave them out, or add -o {self.kind}={example}")
            return build(self.kind, value, base, source)

        def dump(component: Config | None, info: SerializationInfo) -> dict[str, Any] | str | None:
            if component is None:
                return self.absent
            if info.exclude_defaults:
                return {"name": name_of(self.kind, component), **unusual_values(component)}
            return describe(self.kind, component)

        return schema(make, dump)


@dataclass(frozen=True)
class Components:
    """Marks a field of any number of components: ``Annotated[tuple[Detector, ...], Components("checks", Detector)]``.

    Attributes:
        kind: the kind of the components, which is also the field's name.
        base: the class that they derive from.
    """

    kind: str
    base: type[Config]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate each by `build`, serialise each by `describe`; one alone needs no list."""

        def make(value: object, source: Source) -> tuple[Config, ...]:
            values = value if isinstance(value, list | tuple) else () if value in (None, "none") else (value,)
            return tuple(build(self.kind, entry, self.base, source) for entry in values)

        def dump(components: tuple[Config, ...], _: SerializationInfo) -> list[dict[str, Any]]:
            return [describe(self.kind, component) for component in components]

        return schema(make, dump)


def schema(make: Callable[[object, Source], Any], dump: Callable[[Any, SerializationInfo], Any]) -> CoreSchema:
    """Validate by `make`, whose `ConfigError` becomes pydantic's with the same text, and serialise by `dump`.

    The context of a validation says where the description comes from; without, it is one to be run.
    """

    def check(value: object, info: ValidationInfo) -> Any:
        try:
            return make(value, info.context or Description())
        except ConfigError as error:
            context = {"text": str(error), "missing": error.missing, "cause": error.__cause__}
            raise PydanticCustomError("component", "{text}", context) from error

    return core_schema.with_info_plain_validator_function(
        check, serialization=core_schema.plain_serializer_function_ser_schema(dump, info_arg=True)
    )
