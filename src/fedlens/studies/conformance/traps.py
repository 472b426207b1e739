"""Traps: rounds on which rules differ that are equal on most others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from fedlens.attacks.attack import Attack
from fedlens.core.random import Address
from fedlens.core.suggest import example
from fedlens.defences.chain import Chain
from fedlens.studies.conformance.case import Case, Cohort, Rows, Value
from fedlens.studies.conformance.reference import Method, answers, fields_of, method, same

TOLD = (0, 1, 2, 3, 4)
"""Numbers of attackers that a method is told, where it is told any."""

OPEN = {"bulyan": (1, 2)}
"""Of these the paper leaves open whom to choose last: Krum among 2f + 1 updates has at most one neighbour to count."""
TIES = ("updates in pairs", "whole numbers")
"""In these many entries are equally near to others, which that leaves open, too."""

DRAWN = "drawn"
"""How the names of cases begin that are nothing but drawn."""

UNEQUAL = "unequal weights"
"""What a case is called that is only for rules that ask for weights."""

SIZES = (3, 5, 8, 10, 13, 24)
"""Sizes of cohorts, besides the least that a method works with."""

ENTRIES = 12
OUTLYING = 25.0
COHORTS = ((0, 1, 2, 3, 4), (4, 2, 0, 1, 5), (5, 6, 3, 2, 1), (1, 0, 2, 3, 4))
"""Who is chosen in each round, where a method keeps something of each client."""


def traps(name: str, fixed: Mapping[str, Value]) -> Iterator[Case]:
    """Yield the cases of a method.

    Args:
        name: its name.
        fixed: options that shall have these values.

    Raises:
        ConfigError: one of these values is none that the option takes.
    """
    required = {**_required(name), **fixed}
    if "f" in fixed:
        method(name, required)  # refuses what is no number
    tells = "f" in fields_of(name) and "f" not in fixed
    for told in TOLD if tells else (int(fixed.get("f", 0)),):
        if told in OPEN.get(name, ()):
            continue
        options = {**required, **({"f": told} if tells else {})}
        link = method(name, options)
        least = 1 if isinstance(link, Attack) else Chain.of(link).minimum
        words = "".join(f", {option} = {value}" for option, value in options.items())
        for count in sorted({least, *(size for size in SIZES if size >= least)}):
            rows = _drawn(count, told)
            yield Case(f"{DRAWN}: n = {count}{words}", (Cohort.of(rows),), options)
        yield from _of_size(name, max(least, 7), told, options, words)
        if not isinstance(link, Attack):
            yield _unequal(max(least, 7), told, options, words)
        if keeps(link, least):
            yield from _several(least, options, words)


def keeps(link: Method, least: int) -> bool:
    """Tell whether what a method makes of a round depends on the rounds before."""
    first, second = (Cohort.of(_drawn(max(least, len(COHORTS[0])), 0, number)) for number in range(2))
    [alone] = answers(link, (second,))
    return not same(answers(link, (first, second))[1], alone)


def _of_size(name: str, count: int, told: int, options: Mapping[str, Value], words: str) -> Iterator[Case]:
    """Yield single rounds of `count` updates."""
    rows = _drawn(count, told)
    turned = Address.root(0).at("turned").generator().permutation(count)
    twins = rows.copy()
    twins[1::2] = twins[: len(twins[1::2]) * 2 : 2]
    special = {
        "the same in another order": rows[turned],
        "one entry": rows[:, :1],
        "all updates equal": np.repeat(rows[:1], count, axis=0),
        "all updates zero": np.zeros_like(rows),
        "one update of zeros": np.vstack([rows[:-1], np.zeros_like(rows[:1])]),
        "updates in pairs": twins,
        "updates of length 1e-20": rows * 1e-20,
        "updates of length 1e15": rows * 1e15,
        "shifted by 100": rows + 100,
        "opposite signs": -rows,
        "whole numbers": np.round(rows * 2),
    }
    for what, changed in special.items():
        if name in OPEN and what in TIES:
            continue
        yield Case(f"{what}: n = {count}{words}", (Cohort.of(changed),), options, tied=True)


def _unequal(count: int, told: int, options: Mapping[str, Value], words: str) -> Case:
    """Return a round of clients that have one, two, three … times as many samples as the first."""
    rows, samples = _drawn(count, told), np.arange(1.0, count + 1)
    cohort = Cohort(rows, tuple(range(count)), samples / samples.sum())
    return Case(f"{UNEQUAL}: n = {count}{words}", (cohort,), options)


def _several(least: int, options: Mapping[str, Value], words: str) -> Iterator[Case]:
    """Yield cases of several rounds, for what keeps something of them."""
    count = max(least, len(COHORTS[0]))
    same = tuple(Cohort.of(_drawn(count, 0, number)) for number in range(3))
    yield Case(f"three rounds, the same clients{words}", same, options)
    if least <= len(COHORTS[0]):
        others = tuple(Cohort(_drawn(len(who), 0, number), who) for number, who in enumerate(COHORTS))
        yield Case(f"four rounds, other clients in each{words}", others, options)


def _drawn(count: int, outliers: int, number: int = 0) -> Rows:
    """Draw `count` updates about a common direction; the last `outliers` of them lie far away."""
    generator = Address.root(0).at("conformance", count, number).generator()
    rows = generator.normal(size=(1, ENTRIES)) + generator.normal(size=(count, ENTRIES))
    if outliers:
        rows[-outliers:] += OUTLYING * generator.normal(size=(outliers, ENTRIES))
    return rows


def _required(name: str) -> dict[str, Value]:
    """Return values of the options that a method has no default of."""
    return {option: example(field) for option, field in fields_of(name).items() if field.is_required()}
