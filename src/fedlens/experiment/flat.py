"""An experiment as options by their dotted names, with a value each that a table can hold.

A component counts by its name (``aggregation``: ``krum``), and its options one by one (``aggregation.f``: 1).
"""

from collections.abc import Iterator, Mapping, Set
from typing import TYPE_CHECKING, Any

from fedlens.core.config import Config
from fedlens.core.registry import BUILT_IN, name_of, option_of, unusual_values
from fedlens.defences.chain import Chain
from fedlens.experiment.attackers import Attackers
from fedlens.experiment.experiment import Experiment

if TYPE_CHECKING:
    import pandas as pd

Value = str | float | bool | None


def flattened(experiment: Experiment) -> dict[str, Value]:
    """Return every option that changes the result; an option without value is ``none``, as in YAML."""
    values = experiment.relevant() | {"checks": value_of(experiment, "checks")}
    if isinstance(experiment.aggregation, Chain):
        values["aggregation"] = value_of(experiment, "aggregation")
    if experiment.attackers is not None:
        values["attackers"] = _attackers(experiment.attackers, values.get("attackers", {}))
    return dict(_leaves("", values))


def value_of(experiment: Experiment, name: str, apart: Set[str] = frozenset()) -> Value:
    """Return the value of an option; ``None`` if it does not apply.

    A component's says what is unusual about it (``krum(f=1)``), but for those options that are told `apart`.
    """
    if name == "checks":
        return "+".join(_word(name, check) for check in experiment.checks) or "none"
    if name == "aggregation":
        beneath = frozenset() if isinstance(experiment.aggregation, Chain) else apart
        return "+".join(_word(kind, component, beneath) for kind, component in experiment.server.components())
    if name in BUILT_IN:
        component = getattr(experiment, name)
        return "none" if component is None else _word(name, component, apart)
    if name == "attackers.clients" and experiment.attackers is not None:
        return "+".join(map(str, experiment.team))
    return flattened(experiment).get(name)


def plain_value(value: Any) -> Value:
    """Return a table's value as a plain one; ``None`` where it is missing."""
    import pandas as pd

    return None if pd.isna(value) else value.item() if hasattr(value, "item") else value


def shown(value: Value) -> str:
    """Return a value as people write it: ``5`` for 5.0, ``true`` for a truth, ``–`` where there is none."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:.12g}"
    return "–" if value is None else value


def of_one_type(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the column, as text if its values are of several types, or of one that only Python has."""
    if column.dtype != object:
        return column
    kinds = {float if isinstance(value, int) and not isinstance(value, bool) else type(value)
             for value in column.dropna()}  # fmt: skip
    if kinds == {float} and column.dropna().abs().max() < 2**63:
        return column.astype(float) if column.hasnans else column.infer_objects()
    if kinds == {bool}:
        return column.astype("boolean" if column.hasnans else bool)
    return column if kinds <= {str} else column.map(_text, na_action="ignore")


def in_words(name: str, options: Mapping[str, Any], apart: Set[str] = frozenset()) -> str:
    """Return a component by its name, with its options in brackets except those told `apart`: ``krum(f=1)``."""
    inner = ", ".join(f"{option}={shown(value)}" for option, value in _leaves("", options) if option not in apart)
    return f"{name}({inner})" if inner else name


def _attackers(attackers: Attackers, told: dict[str, Any]) -> dict[str, Any]:
    """Return the attackers as written; identities, in which they are `told`, list clients, which a count implies."""
    written = attackers.model_dump(mode="json", include={"count", "share", "pick", "schedule"}, exclude_none=True)
    return {name: value for name, value in told.items() if name != "clients" or attackers.clients is not None} | written


def _word(kind: str, component: Config, apart: Set[str] = frozenset()) -> str:
    """Return a component in words, with those options that are not at their defaults."""
    prefix = f"{option_of(kind)}."
    beneath = {option.removeprefix(prefix) for option in apart if option.startswith(prefix)}
    return in_words(name_of(kind, component), unusual_values(component), beneath)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Value]]:
    match value:
        case dict():
            for key, below in value.items():
                is_name = key == "name" and name
                yield from _leaves(name if is_name else f"{name}.{key}" if name else key, below)
        case list():
            yield name, "+".join(map(str, value))
        case None:
            yield name, "none"
        case _:
            yield name, value


def _text(value: Any) -> str:
    return shown(value) if isinstance(value, bool | float) else str(value)
