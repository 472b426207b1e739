"""What a check's verdict has to be: that of a stranger's may be anything."""

from collections.abc import Iterator, Mapping

from fedlens.core.errors import cut, named, shortened
from fedlens.core.given import is_dense, is_number, is_word, misfit
from fedlens.core.lazy import torch
from fedlens.defences.detector import Verdict


def fault(verdict: object, count: int) -> str:
    """Say what is wrong with what a check returned for `count` clients, and what is right; empty if nothing is."""
    if not isinstance(verdict, Verdict):
        return f"{named(verdict)}, not a Verdict"
    return next(_faults(verdict, count), "")


def _faults(verdict: Verdict, count: int) -> Iterator[str]:
    if wrong := misfit(verdict.scores, (count,)):
        yield f"scores {wrong}"
    if wrong := misfit(verdict.flagged, (count,), torch.bool):
        yield f"flagged {wrong}"
    yield from details_faults(verdict.details, count)
    yield from _names_faults("tables", verdict.tables)
    for name, table in verdict.tables.items():
        rows = (count, *table.shape[1:]) if is_dense(table) else (count,)
        if wrong := misfit(table, rows, finite=False):
            yield f"the table {cut(name)} {wrong}"


def details_faults(details: object, count: int) -> Iterator[str]:
    """Say what is wrong with further numbers of `count` clients, by name."""
    yield from _names_faults("details", details)
    for name, detail in details.items() if isinstance(details, Mapping) else ():
        if name in {"scores", "flagged"}:
            yield f"a detail called {name}, as the verdict's own; another name is right"
        if wrong := _detail_fault(detail, count):
            yield f"the detail {cut(name)} {wrong}"


def _names_faults(what: str, by_name: object) -> Iterator[str]:
    if not isinstance(by_name, Mapping):
        yield f"{what} of type {type(by_name).__name__}; a dict by names is right"
    elif odd := [name for name in by_name if not is_word(name)]:
        yield f"{what} with the name {shortened(odd[0])}; names are words"


def _detail_fault(detail: object, count: int) -> str:
    if not isinstance(detail, list):
        return f"of type {type(detail).__name__}; a list of {count} numbers is right, as by .tolist()"
    if len(detail) != count:
        return f"of {len(detail)} entries; {count} are right, one for each client"
    for index, entry in enumerate(detail):
        for number in entry if isinstance(entry, list) else [entry]:
            if not is_number(number):
                return f"whose entry {index} is {named(number)}; numbers are right, as by .tolist()"
    return ""
