"""The zoo's pages: every attack and defence with formula, picture, values computed by hand, and what others do."""

import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from docs_alarms import alarms_of
from docs_elsewhere import Statement, statements
from docs_grid import grid
from docs_markdown import table
from docs_needs import attack_needs, defence_needs, facts
from docs_options import KINDS
from docs_toy_round import caption, drawable, options, picture

from fedlens.attacks.attack import Attack
from fedlens.core.registry import BUILT_IN, resolve
from fedlens.defences.chain import Chain
from fedlens.report.catalogue import what_it_is
from fedlens.studies.conformance.case import Case, Rows
from fedlens.studies.conformance.hand_values import HAND
from fedlens.studies.conformance.reference import Method, fields_of, method, methods

TOLD = (0, 1, 2, 3)
ZOO = ("attack", "aggregation", "stage", "checks")
TITLES = {"attack": "Attacks", "aggregation": "Rules", "stage": "Stages", "checks": "Checks"}
CORRECTION = (
    "Is one of these wrong, or no longer true? Open an issue by the template *Correction*: it is looked at again."
)


def zoo_pages(docs: Path) -> dict[str, Iterator[str]]:
    """Return the pages by their names."""
    pages = {"index": _index(docs)}
    return pages | {name: _page(kind, name, docs) for kind in ZOO for name in BUILT_IN[kind]}


def _index(docs: Path) -> Iterator[str]:
    yield "# The zoo"
    yield ""
    yield (
        "Every attack and defence, with its publication, formula, values computed by hand, and what it does to a toy "
        "round. `fedlens conform` puts a rule of yours [to the same values](../how-to/conform.md), and [Which attack, "
        "which defence](../explanation/choosing.md) helps to choose."
    )
    yield ""
    for kind in ZOO:
        yield f"## {TITLES[kind]}"
        yield ""
        rows = ([f"[`{name}`]({name}.md)", what_it_is(resolve(kind, name))] for name in BUILT_IN[kind])
        yield from table(("name", "what it is"), rows)
    yield "## What an attack sees"
    yield ""
    yield from attack_needs()
    yield "## What a defence needs"
    yield ""
    yield (
        "One that needs single updates cannot work behind secure aggregation, which shows the server their sum alone. "
        "One that needs to know who sent what compares a client's updates of several rounds."
    )
    yield ""
    yield from defence_needs()
    yield from grid(docs)
    yield from _projects(docs)


def _projects(docs: Path) -> Iterator[str]:
    """Yield the table of methods by projects, as far as somebody has looked."""
    found = statements(docs)
    projects = sorted({statement.project for statement in found}, key=str.lower)
    yield "## Elsewhere"
    yield ""
    yield (
        "How far other projects' code of these methods is as published: it *differs* from the publication, has *no "
        "effect* where it cannot work, or is *absent*. An empty cell says that nobody has looked. The method's page "
        "names commit, file, lines and date, how it differs, and whether the code was read or run. [Flower's "
        "strategies](../flower/strategies.md) have a page of their own."
    )
    yield ""
    named = dict.fromkeys(statement.method for statement in found)
    rows = (
        [f"[`{method}`]({method}.md)", *(_cell(method, project, found) for project in projects)] for method in named
    )
    yield from table(("method", *projects), rows)
    yield CORRECTION
    yield ""


def _cell(method: str, project: str, found: Sequence[Statement]) -> str:
    said = [one for one in found if (one.method, one.project) == (method, project)]
    return "; ".join(dict.fromkeys(one.finding for one in said))


def _page(kind: str, name: str, docs: Path) -> Iterator[str]:
    component = resolve(kind, name)
    yield f"# {name}"
    yield ""
    yield what_it_is(component)
    yield ""
    yield f"Options and example: [{KINDS[kind][1].lower()}](../reference/{KINDS[kind][0]}.md#{name})."
    yield ""
    yield from inspect.cleandoc(sys.modules[component.__module__].__doc__ or "").splitlines()
    yield ""
    yield "## What it sees, needs and keeps"
    yield ""
    yield from facts(kind, name)
    yield ""
    if name in methods() and kind != "attack":
        yield _least(name)
        yield ""
    if name in methods() and drawable(name):
        yield "## A toy round"
        yield ""
        yield from picture(name)
        yield caption(name)
        yield ""
    if name in HAND:
        yield "## Values computed by hand"
        yield ""
        yield from table(
            ("honest updates" if kind == "attack" else "updates", "options", "what leaves it"),
            map(_by_hand, HAND[name]),
        )
    yield from alarms_of(name, docs)
    yield from _elsewhere(name, docs)


def _least(name: str) -> str:
    """Say how many updates a method needs, for each number of attackers that it is told."""
    told = TOLD if "f" in fields_of(name) else (None,)
    counts = {f: _chain(method(name, {**options(name), **({} if f is None else {"f": f})})).minimum for f in told}
    words = (f"{count}" if f is None else f"{count} with `f: {f}`" for f, count in counts.items())
    return f"Updates that it needs at least: {', '.join(words)}."


def _chain(built: Method) -> Chain:
    assert not isinstance(built, Attack)
    return Chain.of(built)


def _by_hand(case: Case) -> list[str]:
    updates = "; then ".join(_rows(cohort.rows) for cohort in case.rounds)
    right = "; then ".join(map(_rows, case.right or ()))
    return [updates, ", ".join(f"`{option}: {value}`" for option, value in case.options.items()), right]


def _rows(rows: Rows) -> str:
    if rows.shape[1] == 1:
        return ", ".join(f"{value:.6g}" for value in np.ravel(rows))
    return ", ".join(f"({', '.join(f'{value:.6g}' for value in row)})" for row in rows)


def _elsewhere(name: str, docs: Path) -> Iterator[str]:
    """Yield what is known of other projects' code of a method."""
    found = [statement for statement in statements(docs) if statement.method == name]
    if not found:
        return
    yield "## Elsewhere"
    yield ""
    for one in found:
        how = f"ran by `{one.script}`" if one.script else one.how
        words = f": {one.words}" if one.words else ""
        yield f"- **{one.project}**, [{one.where}]({one.place}), {one.checked}, {how}: {one.finding}{words}"
    yield ""
    yield CORRECTION
    yield ""
