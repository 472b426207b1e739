"""Fields of an experiment that hold parts, which `fedlens.core.registry` makes and describes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from fedlens.core.config import Config
from fedlens.core.errors import ConfigError
from fedlens.core.registry import BUILT_IN, Description, Record, build, describe

Source = Description | Record


@dataclass(frozen=True)
class Part:
    """Marks a field that holds a part of this kind: ``Annotated[Rule, Part("aggregation")]``.

    Attributes:
        kind: the kind of part, which is also the field's name.
        optional: the class of a part that may be ``none``: ``Annotated[Attack | None, Part("attack", Attack)]``.
    """

    kind: str
    optional: type[Config] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate by `build`, serialise by `describe`."""
        base: type[Config] = self.optional or source

        def make(value: object, source: Source) -> Config | None:
            if self.optional and value in (None, "none", {"name": "none"}):
                return None
            if self.optional and isinstance(value, Mapping) and value.get("name") == "none":
                example = next(iter(BUILT_IN[self.kind]))
                raise ConfigError(f"{self.kind}: none has no options; leave them out, or add -o {self.kind}={example}")
            return build(self.kind, value, base, source)

        def dump(part: Config | None) -> dict[str, Any] | str:
            return "none" if part is None else describe(self.kind, part)

        return _schema(make, dump)


@dataclass(frozen=True)
class Parts:
    """Marks a field that holds any number of parts: ``Annotated[tuple[Detector, ...], Parts("checks", Detector)]``.

    Attributes:
        kind: the kind of the parts, which is also the field's name.
        base: the class that they derive from.
    """

    kind: str
    base: type[Config]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate each by `build`, serialise each by `describe`; one alone needs no list."""

        def make(value: object, source: Source) -> tuple[Config, ...]:
            values = value if isinstance(value, list | tuple) else () if value in (None, "none") else (value,)
            return tuple(build(self.kind, entry, self.base, source) for entry in values)

        def dump(parts: tuple[Config, ...]) -> list[dict[str, Any]]:
            return [describe(self.kind, part) for part in parts]

        return _schema(make, dump)


def _schema(make: Callable[[object, Source], Any], dump: Callable[[Any], Any]) -> CoreSchema:
    """Validate by `make`, whose `ConfigError` becomes pydantic's with the same text, and serialise by `dump`.

    The context of a validation says where the description comes from; without, it is one to be run.
    """

    def check(value: object, info: ValidationInfo) -> Any:
        try:
            return make(value, info.context or Description())
        except ConfigError as error:
            context = {"text": str(error), "missing": error.missing, "cause": error.__cause__}
            raise PydanticCustomError("part", "{text}", context) from error

    return core_schema.with_info_plain_validator_function(
        check, serialization=core_schema.plain_serializer_function_ser_schema(dump)
    )
