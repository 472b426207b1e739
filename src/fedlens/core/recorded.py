"""A component as a run has recorded it: its name, its values, and what was noted of its class, without that class.

To read a run is not to run code: a module that somebody else's run names is not imported, and one that is gone is not
missed. What only a class can tell (whether a rule averages, whether an attack sees all updates) is noted when the run
begins, and unknown (``None``) of runs without such a note.
"""

from collections.abc import Mapping
from functools import cache
from types import new_class
from typing import Any, TypeVar, cast

from pydantic import ConfigDict, PrivateAttr

from fedlens.core.config import Config, validate

P = TypeVar("P", bound=Config)

FACTS: Mapping[str, tuple[str, ...]] = {
    "attack": ("sight", "omniscient", "needs_rule", "needs_checks", "objective"),
    "goal": ("asks",),
    "aggregation": ("averages", "minimum", "f"),
    "stage": ("kind", "sees", "averages", "needs_root", "f", "part_names", "filter_names"),
    "checks": ("validates",),
}
"""What readers ask of a component of each kind that need not be one of its options."""

TOLD_BY_CLASS = ("sight", "omniscient", "needs_rule", "asks", "averages", "validates", "kind", "needs_root")
"""Those of them that every class of the kind tells, so that they are unknown where none has noted them."""

Note = Mapping[str, Any]
"""Of a component's class: the facts that are no options, and as ``unusual`` which options are not at defaults."""


class Recorded(Config):
    """Marks a component without its class."""

    _name: str = PrivateAttr()
    _values: dict[str, Any] = PrivateAttr()
    _unusual: frozenset[str] | None = PrivateAttr()

    @property
    def recorded_name(self) -> str:
        """Its name, as recorded."""
        return self._name

    @property
    def recorded_values(self) -> dict[str, Any]:
        """All of its options, as recorded."""
        return dict(self._values)

    @property
    def unusual_values(self) -> dict[str, Any]:
        """Its options that were not at their defaults; all of them where that is not known."""
        unusual = self._unusual
        return {name: value for name, value in self._values.items() if unusual is None or name in unusual}


def recorded_component(kind: str, name: str, options: dict[str, Any], base: type[P], note: Note | None) -> P:
    """Make the component of class `base` that a run recorded under this name, with these options.

    Raises:
        ConfigError: an option that every component of the kind has is impossible.
    """
    note = note or {}
    facts = {fact: note[fact] for fact in FACTS.get(kind, ()) if fact in note and fact not in options}
    facts |= {fact: None for fact in TOLD_BY_CLASS if hasattr(base, fact) and fact not in facts}
    component = validate(_class_for(base, tuple(facts.items())), options, kind)
    marked = cast("Recorded", component)
    marked._name, marked._values = name, options
    marked._unusual = frozenset(note["unusual"]) if "unusual" in note else None
    return cast("P", component)


def note_of(kind: str, component: Config) -> Note:
    """Return what to note of a component's class when a run begins."""
    options = type(component).model_fields
    facts = {fact: getattr(component, fact, None) for fact in FACTS.get(kind, ()) if fact not in options}
    plain = {fact: value for fact, value in facts.items() if isinstance(value, bool | int | str)}
    return plain | {"unusual": sorted(component.model_dump(mode="json", exclude_defaults=True))}


@cache
def _class_for(base: type[Config], facts: tuple[tuple[str, Any], ...]) -> type[Config]:
    """Return a subclass of `base` that takes any other options and has these facts."""
    namespace = {"__module__": __name__, "__doc__": Recorded.__doc__, "model_config": ConfigDict(extra="allow")}
    cls = new_class(f"Recorded{base.__name__}", (Recorded, base), exec_body=lambda body: body.update(namespace))
    for fact, value in facts:
        setattr(cls, fact, value)
    return cast("type[Config]", cls)
