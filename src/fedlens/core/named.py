"""Fields that hold one of a few parts, by its name alone or with options: ``sgd``, ``{name: sgd, momentum: 0.9}``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, SerializationInfo
from pydantic_core import CoreSchema

from fedlens.core.config import Config, validate
from fedlens.core.errors import ConfigError, shortened
from fedlens.core.fields import Source, schema
from fedlens.core.suggest import TYPED, example, likeliest, pasted, plain


@dataclass(frozen=True)
class Named:
    """Marks a field that holds one of these parts; one without options of its own is held as its name.

    Attributes:
        option: the field's dotted name, for messages.
        parts: the classes by their names.
        several: whether the field holds any number of them, as a tuple.

    Example:
        >>> from fedlens import LocalTraining
        >>> LocalTraining(optimizer={"name": "sgd", "momentum": 0.9}).optimizer
        SgdOptions(momentum=0.9, dampening=0.0, nesterov=False, weight_decay=0.0)
        >>> LocalTraining(optimizer={"name": "sgd"}).optimizer
        'sgd'
    """

    option: str
    parts: Mapping[str, type[Config]]
    several: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate by name, serialise as the name or as a mapping with the options that are not at their defaults."""

        def make(value: object, _: Source) -> object:
            if not self.several:
                return self._made(value)
            values = value if isinstance(value, list | tuple) else () if value in (None, "none") else (value,)
            return tuple(self._made(entry) for entry in values)

        def dump(held: Any, _: SerializationInfo) -> Any:
            return [self._told(part) for part in held] if self.several else self._told(held)

        return schema(make, dump)

    def _made(self, value: object) -> Config | str:
        """Return the part that stands for `value`."""
        if isinstance(value, tuple(self.parts.values())):
            return self._shortest(value)
        options = dict(value) if isinstance(value, Mapping) else {"name": value}
        name = options.pop("name", None)
        if not isinstance(name, str) or name not in self.parts:
            raise ConfigError(self._refused(name, options))
        cls = self.parts[name]
        form = f"-o {self.option}={{{{name: {name}, {{option}}: {{value}}}}}}"
        return self._shortest(validate(cls, options, self.option, form))

    def _refused(self, name: object, options: Mapping[str, Any]) -> str:
        """Say that there is no part of this name."""
        words = [repr(word) for word in self.parts]
        wanted = f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]
        fitting = (word for word, cls in self.parts.items() if options.keys() <= cls.model_fields.keys())
        meant = likeliest(name, list(self.parts)) if isinstance(name, str) else None
        if name is None and options:
            remedy = pasted(TYPED, f"{self.option}.name", next(fitting, next(iter(self.parts))))
            return f"{self.option}: {', '.join(map(str, options))} needs a name beside it; e.g. {remedy}"
        remedy = pasted(TYPED, self.option, self._example(meant or next(iter(self.parts))))
        return f"{self.option}: {wanted} is needed, not {shortened(name)}; e.g. {remedy}"

    def _example(self, name: str) -> str:
        """Return a value for the field that holds the part of this name, with an example of each option it needs."""
        fields = self.parts[name].model_fields.items()
        needed = [f"{option}: {plain(example(field))}" for option, field in fields if field.is_required()]
        return f"{{{', '.join([f'name: {name}', *needed])}}}" if needed else name

    def _shortest(self, part: Any) -> Config | str:
        """Return the part's name if its options are at their defaults."""
        return part if part.model_dump(exclude_defaults=True) else self._name_of(part)

    def _told(self, part: Config | str) -> dict[str, Any] | str:
        if isinstance(part, str):
            return part
        return {"name": self._name_of(part), **part.model_dump(mode="json", exclude_defaults=True)}

    def _name_of(self, part: Config) -> str:
        """Return the name of a part."""
        return next(name for name, cls in self.parts.items() if type(part) is cls)


def named_options(config: type[Config]) -> frozenset[str]:
    """Return the options that hold such parts."""
    fields = config.model_fields.items()
    return frozenset(name for name, field in fields if any(isinstance(mark, Named) for mark in field.metadata))
