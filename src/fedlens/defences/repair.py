"""A chain to paste in place of one that was refused: it is itself one that can be."""

from collections.abc import Mapping, Sequence

from fedlens.core.errors import ConfigError
from fedlens.core.registry import Description, Record, name_of, unusual_values
from fedlens.core.suggest import TYPED, pasted, plain
from fedlens.defences.adapters import as_stage
from fedlens.defences.composed import written_out
from fedlens.defences.grammar import ORDER, validates
from fedlens.defences.links import Link, build_link, kind_of, title
from fedlens.defences.stage import Stage


def repaired(components: Sequence[Link]) -> list[Link]:
    """Return as many of the components as a chain can have, in its order: of what it has once, the last."""
    kept: list[tuple[Stage, Link]] = []
    taken: set[str] = set()
    for component in reversed(components):
        once = _had_once(component)
        if not (validates(component) or taken & once):
            kept.insert(0, (as_stage(component), component))
            taken |= once
    ordered = sorted(kept, key=lambda pair: ORDER[pair[0].kind])
    last = max((place for place, (stage, _) in enumerate(ordered) if stage.by_client), default=0)
    return [link for place, (stage, link) in enumerate(ordered) if place >= last or not stage.blends]


def _had_once(component: Link) -> set[str]:
    """Return what a chain with this component cannot have from another: filters by their names, and kinds."""
    parts = [(as_stage(part).kind, part) for part in written_out(component)]
    return {title(part) if kind == "filter" else kind for kind, part in parts if kind != "mixing"}


def mended(entry: object, source: Description | Record) -> Link:
    """Build an entry of a chain, with values that would do for options that are missing or wrong.

    Raises:
        ConfigError: there are no such values.
    """
    try:
        return build_link(entry, source)
    except ConfigError as error:
        changes = {option.rpartition(".")[2]: value for option, value in {**error.missing, **error.instead}.items()}
        if not changes:
            raise
        values = {**(entry if isinstance(entry, Mapping) else {"name": entry}), **changes}
        return build_link({name: value for name, value in values.items() if changes.get(name, "") is not None}, source)


def to_paste(components: Sequence[Link]) -> str:
    """Return the option to paste for a chain of these components, put right; the mean if none is left."""
    return pasted(TYPED, "aggregation", list(map(_written, repaired(components))) or "mean")


def form_of(components: Sequence[Link]) -> str:
    """Return the same as the form in which any option of theirs is typed."""
    words = f"[{', '.join(map(_written, repaired(components)))}]"
    return f"-o aggregation={words.replace('{', '{{').replace('}', '}}')}"


def _written(component: Link) -> str:
    """Write a component, its name, or a mapping with its name and options, as in YAML."""
    kind = kind_of(component)
    name, options = name_of(kind, component), unusual_values(component)
    return plain({"name": name, **options} if options else name)
