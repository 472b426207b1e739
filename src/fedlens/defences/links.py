"""What the server's chain may be written with: rules, stages and detectors, each by its name or as an object."""

from collections.abc import Mapping

from fedlens.core.config import Config
from fedlens.core.errors import ConfigError
from fedlens.core.recorded import Recorded
from fedlens.core.refusals import moved
from fedlens.core.registry import Description, Record, build, known, name_of, resolve
from fedlens.core.suggest import likeliest
from fedlens.defences.detector import Detector
from fedlens.defences.rule import Rule
from fedlens.defences.stage import Stage

Link = Rule | Stage | Detector

KINDS: Mapping[str, type[Config]] = {"aggregation": Rule, "stage": Stage, "checks": Detector}
"""The kinds in the registry, with what their components derive from."""


def kind_of(component: Link) -> str:
    """Return the kind under which the registry has a component."""
    return next(kind for kind, base in KINDS.items() if isinstance(component, base))


def title(component: Link) -> str:
    """Return a component's name."""
    return name_of(kind_of(component), component)


def shown(component: Link) -> str:
    """Return what readers are shown as a component's name: for a strategy of Flower, which one it is."""
    name = title(component)
    if name != "flower":
        return name
    values: Mapping[str, object] = component.recorded_values if isinstance(component, Recorded) else vars(component)
    return f"Flower's {str(values.get('make', '')).rpartition(':')[2] or 'strategy'}"


def build_link(value: object, source: Description | Record, form: str | None = None) -> Link:
    """Build a component from its name, from a mapping with its ``name`` and options, or from itself.

    Args:
        value: what stands for it.
        source: where that comes from.
        form: how one of its options is typed, if not as that of a component alone.

    Raises:
        ConfigError: there is no such component, or its options are wrong.
    """
    if isinstance(value, Rule | Stage | Detector):
        return value
    name = value.get("name") if isinstance(value, Mapping) else value
    kind = _kind_named(name, source) if isinstance(name, str) else "aggregation"
    try:
        built = build(kind, value, KINDS[kind], source, form)
    except ConfigError as error:
        raise moved(error, kind, "aggregation") if kind == "checks" else error from error.__cause__
    assert isinstance(built, Rule | Stage | Detector)
    return built


def _kind_named(name: str, source: Description | Record) -> str:
    """Return the kind of the component of this name; that of a rule where there is none."""
    if isinstance(source, Record):
        noted = (kind for kind in KINDS if name in source.notes.get(kind, {}) or (kind, name) in source.classes)
        if (kind := next(noted, None)) is not None:
            return kind
    kinds = {other: kind for kind in reversed(list(KINDS)) for other in known(kind)}
    if ":" not in name:
        return kinds.get(name) or kinds.get(likeliest(name, sorted(kinds)) or "", "aggregation")
    if isinstance(source, Record) and not source.needed.get("aggregation"):
        return "aggregation"
    cls = resolve("aggregation", name, source if isinstance(source, Description) else source.needed["aggregation"])
    return next((kind for kind, base in KINDS.items() if issubclass(cls, base)), "aggregation")
