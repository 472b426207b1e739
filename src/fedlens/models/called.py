"""A function of the user's, or a class of modules, as a model: called as ``f(shape, classes, **options)``.

What follows the first two parameters are the model's options, by name: with the annotated type, or any plain value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from inspect import Parameter, isfunction, signature
from typing import Any, ClassVar, get_type_hints

from pydantic import PydanticUserError, TypeAdapter, create_model
from typing_extensions import override

from fedlens.core.errors import ConfigError, cut
from fedlens.core.lazy import nn
from fedlens.core.origin import at
from fedlens.core.registry import resolve
from fedlens.models.model import Model

Plain = bool | int | float | str | list[Any] | dict[str, Any] | None
"""What may be written for an option without a type of its own."""


class CalledModel(Model):
    """A model that a function of the user's builds; see `model_calling`.

    Example:
        >>> from torch import nn
        >>> from fedlens.models.called import model_calling
        >>> def shallow(shape, classes, width=16):
        ...     return nn.Sequential(nn.Linear(*shape, width), nn.ReLU(), nn.Linear(width, classes))
        >>> model_calling(shallow)(width=8).build((104,), 2)[0]
        Linear(in_features=104, out_features=8, bias=True)
    """

    function: ClassVar[Callable[..., nn.Module]]

    @override
    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        options = {name: getattr(self, name) for name in type(self).model_fields if name not in Model.model_fields}
        return type(self).function(shape, classes, **options)

    @property
    @override
    def definition(self) -> Callable[..., object]:
        return type(self).function

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the function by its name, which is not that of the class."""
        cls = type(self)
        return _made_again, (f"{cls.__module__}:{cls.__qualname__}", self.model_dump())


def model_calling(function: Any) -> type[CalledModel] | None:
    """Return the class of models that `function` builds, the same for every call; ``None`` if it can build none."""
    makes_modules = isfunction(function) or (isinstance(function, type) and issubclass(function, nn.Module))
    return _class_of(function) if makes_modules else None


@cache
def _class_of(function: Callable[..., nn.Module]) -> type[CalledModel]:
    name, parameters = function.__name__, list(signature(function).parameters.values())
    if sum(parameter.kind in _BY_PLACE for parameter in parameters) < 2 and not _takes_any(parameters):
        form = f"def {name}(shape, classes)" if isfunction(function) else "def __init__(self, shape, classes)"
        raise ConfigError(
            f"model: {cut(name)}{at(function)} is called with the shape of an input, a tuple, and the number of "
            f"classes, which it does not take; give it these two parameters: {form}"
        )
    fields: dict[str, Any] = dict(_options(function))
    cls = create_model(function.__name__, __base__=CalledModel, __module__=function.__module__, **fields)
    cls.__qualname__, cls.__doc__ = function.__qualname__, function.__doc__
    cls.function = staticmethod(function)
    return cls


_BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def _takes_any(parameters: list[Parameter]) -> bool:
    return any(parameter.kind is Parameter.VAR_POSITIONAL for parameter in parameters)


def _options(function: Callable[..., nn.Module]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield the type and the default of each option; a parameter whose default YAML could not say is none."""
    parameters = list(signature(function).parameters.values())[2:]
    hints = _hints(vars(function).get("__init__", function) if isinstance(function, type) else function)
    for parameter in parameters:
        if parameter.kind in {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD} or parameter.name in Model.model_fields:
            continue
        default = ... if parameter.default is Parameter.empty else parameter.default
        if default is ... or default is None or isinstance(default, bool | int | float | str | list | dict | tuple):
            yield parameter.name, (_described(hints.get(parameter.name, Plain)), default)


def _hints(function: Callable[..., object]) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except Exception:  # names that are not at hand, as of modules imported for types alone
        return {}


def _described(annotation: Any) -> Any:
    """Return the type if an option can have it, else that of plain values."""
    try:
        TypeAdapter(annotation)
    except PydanticUserError:
        return Plain
    return annotation


def _made_again(name: str, options: dict[str, Any]) -> object:
    return resolve("model", name)(**options)
