"""The order in which stages may stand: filters and mixing, then exactly one rule, then at most one server optimizer."""

from collections import Counter
from collections.abc import Sequence

from fedlens.core.origin import at
from fedlens.defences.adapters import as_stage
from fedlens.defences.detector import Detector
from fedlens.defences.links import Link, title

ORDER = {"filter": 0, "mixing": 0, "rule": 1, "optimizer": 2}
"""Which kinds of stage come first."""

ONCE = {"rule": "rule", "optimizer": "server optimizer"}
"""Of which kinds a chain has one, and what they are called."""

Part = tuple[Link, Link]
"""A component as it is written, and a stage of it: itself, unless it is a whole method."""


def kinds_of(parts: Sequence[Part]) -> list[str | None]:
    """Return the kind of each stage; ``None`` of a record's, whose class is not read."""
    return [getattr(as_stage(part), "kind", "") for _, part in parts]


def kindless(parts: Sequence[Part]) -> str | None:
    """Say which stage is of no kind that there is, if one is not."""
    for (_, part), kind in zip(parts, kinds_of(parts), strict=True):
        if kind not in ORDER:
            return (
                f"{title(part)}{at(type(part))} does not say of which kind it is ({', '.join(ORDER)}); "
                "write it into the class, e.g. kind = 'mixing'"
            )
    return None


def misplaced(parts: Sequence[Part]) -> str | None:
    """Say what is wrong with the order of stages, all of which have a kind, if something is."""
    kinds = [str(kind) for kind in kinds_of(parts)]
    for kind, word in ONCE.items():
        several = [title(parts[index][0]) for index, its in enumerate(kinds) if its == kind]
        if len(several) > 1:
            return f"{' and '.join(several)}: a chain has one {word}"
    places = [ORDER[kind] for kind in kinds]
    if places != sorted(places):
        written = dict.fromkeys(id(component) for component, _ in parts)
        names = {id(component): title(component) for component, _ in parts}
        said = "+".join(names[each] for each in written)
        return f"{said}: filters and mixing come before the rule, and a server optimizer after it"
    if (wrong := _blended(parts)) is not None:
        return wrong
    filters = Counter(title(part) for (_, part), kind in zip(parts, kinds, strict=True) if kind == "filter")
    twice = next((name for name, count in filters.items() if count > 1), None)
    return f"{twice}: a chain has each filter once" if twice else None


def _blended(parts: Sequence[Part]) -> str | None:
    """Say which stage needs rows of one client each behind one that blends them, if one does."""
    blending: Link | None = None
    for component, part in parts:
        stage = as_stage(part)
        if stage.by_client and blending is not None:
            return f"{title(component)} needs each client's own update, but {title(blending)} before it blends them"
        blending = component if stage.blends else blending
    return None


def validates(component: Link) -> bool:
    """Tell whether a component is a check that needs the validation set, which a chain does not have."""
    return isinstance(component, Detector) and bool(component.validates)
