"""Whether methods that the user overrides can be called as fedlens calls them: looked at before anything runs."""

import inspect
from collections.abc import Callable, Iterator
from inspect import Parameter, Signature
from typing import Any

from fedlens.core.errors import cut, shortened
from fedlens.core.origin import at


def misfits(component: object, base: type) -> Iterator[str]:
    """Say what is wrong with each method or property of `base` that the class of `component` overrides.

    Example:
        >>> class Base:
        ...     def craft(self, view): ...
        >>> class Mine(Base):
        ...     def craft(self): ...
        >>> list(misfits(Mine(), Base))
        ['craft takes (self); write def craft(self, view)']
    """
    for name, ours in vars(base).items():
        theirs = inspect.getattr_static(type(component), name)
        if name.startswith("_") or theirs is ours:
            continue
        if isinstance(ours, property) and inspect.isfunction(theirs):
            yield f"{name}{at(theirs)} is a method; write @property on the line above"
        elif inspect.isfunction(ours) and (wrong := _misfit(name, ours, getattr(component, name))):
            yield wrong


def _misfit(name: str, ours: Callable[..., Any], theirs: object) -> str:
    """Say what is wrong with a method, bound to its object; empty if it takes what ours takes."""
    right = inspect.signature(ours)
    remedy = f"write def {name}{_shown(right)}"
    if not callable(theirs):
        return f"{name} is {shortened(theirs)}, but a method is needed; {remedy}"
    try:
        signature = inspect.signature(theirs, follow_wrapped=False)
    except (TypeError, ValueError):  # of something that is not written in Python
        return ""
    count = len(right.parameters) - 1
    try:
        signature.bind(*range(count))
    except TypeError:
        return f"{name} takes {cut(_takes(theirs))}{at(inspect.unwrap(theirs))}; {remedy}"
    return ""


def _takes(method: Callable[..., Any]) -> str:
    """Return a method's arguments as they were written."""
    return _shown(inspect.signature(getattr(method, "__func__", method), follow_wrapped=False))


def _shown(signature: Signature) -> str:
    """Return arguments without their types: ``(self, view)``."""
    plain = [parameter.replace(annotation=Parameter.empty) for parameter in signature.parameters.values()]
    return str(Signature(plain))
