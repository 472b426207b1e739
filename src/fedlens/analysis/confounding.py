"""Options that differ between groups although the groups are not compared by them: a difference may be due to these."""

from __future__ import annotations

from collections.abc import Collection as Names
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fedlens.analysis.collect import PATH, Collection
from fedlens.experiment.flat import Value, plain_value, shown

if TYPE_CHECKING:
    import pandas as pd

LABELS = {PATH, "name"}
"""What is compared by one of these is compared in everything."""
HARMLESS = {"record"}
"""What differs in one of these has the same rounds."""
NAMED = 4
"""At most this many options are named."""


def confounded(
    collection: Collection, fields: tuple[str, ...], parts: Sequence[pd.DataFrame], paired: Names[str] = ()
) -> Iterator[str]:
    """Yield a flag if the groups do not have the same values of some option that is not compared.

    An option that exists in some groups only because of what is compared, as Krum's ``f`` beside the mean, is not one.

    Args:
        collection: the runs.
        fields: the options compared.
        parts: the rows of each group.
        paired: options that both runs of a pair have alike, where differences are taken in pairs.
    """
    if LABELS & {*fields}:
        return
    differing = {}
    for name in collection.varying:
        if name in {*fields, *paired, *HARMLESS}:
            continue
        sets = [values for part in parts if not _lacks(part, name, fields) and (values := _values(part, name))]
        if len(set(map(frozenset, sets))) > 1:
            differing[name] = "; ".join(dict.fromkeys(", ".join(map(shown, values)) for values in sets))
    # where the component itself differs, some of its options exist in one group only
    words = [
        f"{name} ({values})"
        for name, values in differing.items()
        if name.partition(".")[0] not in {*differing} - {name}
    ]
    if words:
        more = f" and {len(words) - NAMED} more options" if len(words) > NAMED else ""
        yield f"the groups also differ in {', '.join(words[:NAMED])}{more}, so a difference may be due to that"


def _values(part: pd.DataFrame, name: str) -> list[Value]:
    """Return the values of an option in a group; none where no part of its runs has the option."""
    return [value for value in map(plain_value, part[name].unique()) if value is not None]


def _lacks(part: pd.DataFrame, name: str, fields: tuple[str, ...]) -> bool:
    """Tell whether a group lacks the option because the component lacks a compared option: no boost, no attack."""
    kind = name.partition(".")[0]
    return any(not _values(part, field) for field in fields if field.startswith(f"{kind}."))
