"""How often intervals of nominally 95 % cover what they are of, by simulation: the tables in statistics.md.

``python tools/interval_coverage.py`` prints them, which takes some minutes; with ``--check`` it says whether they are
the page's. Every cell draws from a stream of its own.
"""

import argparse
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.stats
from interval_methods import MEANS, Ends, bootstrapped_median, drawn_seeds, jackknifed, ordered, student_of
from interval_models import KINDS, MODELS, SHARES
from interval_pairs import PAIRS
from numpy.typing import NDArray

from fedlens.analysis.intervals import score_bound
from fedlens.explanations.permutation_test import COVERAGE_OF_PAIRS, by_seed

Array = NDArray[Any]
Rows = Iterator[Sequence[str]]
PAGE = Path(__file__).parent.parent / "docs/explanation/statistics.md"
DESIGNS = ((3, 1), (3, 3), (5, 1), (5, 2), (5, 10), (6, 1), (6, 3), (10, 1), (20, 1))
"""Seeds and targets of each."""
STUDIES, FEWER, POPULATION = 10_000, 2_000, 200_000
"""How many are simulated of a design; how many where it takes long; and how many seeds stand for all."""
RATES = np.concatenate([np.linspace(0.0005, 0.05, 100), np.linspace(0.06, 0.94, 89), np.linspace(0.95, 0.9995, 100)])


class Median(NamedTuple):
    """An interval of the median over seeds: of which number of each seed, of how many studies, and how."""

    statistic: Callable[..., Array]
    studies: int
    method: Callable[[Array, np.random.Generator], Ends | None]


MEDIANS = {
    "percentiles, of medians": Median(np.median, FEWER, bootstrapped_median),
    "Student's t, of medians": Median(np.median, STUDIES, lambda numbers, _: student_of(numbers)),
    "**order statistics, of medians**": Median(np.median, STUDIES, lambda numbers, _: ordered(numbers)),
    "**order statistics, of means**": Median(np.mean, STUDIES, lambda numbers, _: ordered(numbers)),
}


def means() -> Rows:
    """Yield the table of the mean."""
    yield ["seeds × targets", *MEANS]
    for design in DESIGNS:
        yield ["{} × {}".format(*design), *(mean_cell(name, *design) for name in MEANS)]


def mean_cell(name: str, seeds: int, targets: int) -> str:
    """Return how often a method covers the mean, by the kind of values."""
    found: dict[str, list[float | None]] = {kind: [] for kind in KINDS}
    for place, share in _cases(targets):
        generator, model = _stream("means", name, seeds, targets, place, share), MODELS[place]
        values = model.draw(generator, share, (FEWER, seeds, targets))
        found[model.kind].append(_covered(MEANS[name](values, generator), model.mean))
    return _lowest(found)


def medians() -> Rows:
    """Yield the table of the median over seeds."""
    yield ["seeds × targets", *MEDIANS]
    for design in DESIGNS:
        yield ["{} × {}".format(*design), *(median_cell(name, *design) for name in MEDIANS)]


def median_cell(name: str, seeds: int, targets: int) -> str:
    """Return how often a method covers the median over seeds, by the kind of values."""
    statistic, studies, method = MEDIANS[name]
    found: dict[str, list[float | None]] = {kind: [] for kind in KINDS}
    for place, share in _cases(targets):
        generator, model = _stream("medians", name, seeds, targets, place, share), MODELS[place]
        numbers, many = (
            statistic(model.draw(generator, share, (count, each, targets)), axis=2)
            for count, each in ((studies, seeds), (1, POPULATION))
        )
        found[model.kind].append(_covered(method(numbers, generator), float(np.median(many))))
    return _lowest(found)


def rates() -> Rows:
    """Yield the table of a rate, exact, by the correlation of a seed's targets: the lowest over `RATES`."""
    yield ["seeds × targets", "Wilson, n = runs", "Wilson, n = seeds", "**the same, corrected for continuity**"]
    for seeds, targets in ((1, 1), (3, 1), (3, 3), (5, 1), (5, 10), (6, 3), (10, 1), (20, 1)):
        runs = seeds * targets
        cells = []
        for trials, half in ((runs, 0.0), (seeds, 0.0), (seeds, 1 / (2 * seeds))):
            low = np.array([score_bound(max(share / runs - half, 0), trials) for share in range(runs + 1)])[:, None]
            inside = (low <= RATES) & (1 - low[::-1] >= RATES)
            chances = [_chances(seeds, targets, alike) for alike in (SHARES if targets > 1 else SHARES[-1:])]
            cells.append(" / ".join(f"{(chance * inside).sum(axis=0).min():.2f}" for chance in chances))
        yield [f"{seeds} × {targets}", *cells]


def pairs() -> Rows:
    """Yield the table of the similarity of models of different seeds, and of its loss where one is poisoned."""
    yield [
        *("seeds", "benign: percentiles", "benign: jackknife", "difference: percentiles", "difference: jackknife"),
        "**difference: order statistics**",
    ]
    for seeds in (3, 5, 6, 7, 8, 10, 12):
        found: dict[str, list[float | None]] = {}
        for name, draw in PAIRS.items():
            generator = _stream("pairs", name, seeds)
            (benign, poisoned), (all_benign, all_poisoned) = (
                draw(generator, count, seeds) for count in (FEWER, POPULATION // seeds)
            )
            less, all_less = benign - poisoned, all_benign - all_poisoned
            for what, some, every in (("benign", benign, all_benign), ("difference", less, all_less)):
                for method in (drawn_seeds, jackknifed):
                    covered = _covered(method(some, generator), float(by_seed(every).mean()))
                    found.setdefault(f"{what} {method.__name__}", []).append(covered)
            covered_ = _covered(ordered(by_seed(less), COVERAGE_OF_PAIRS), float(np.median(by_seed(all_less))))
            found.setdefault("ordered", []).append(covered_)
        yield [str(seeds), *(_lowest({name: values}) for name, values in found.items())]


TABLES: Mapping[str, Callable[[], Rows]] = {table.__name__: table for table in (means, medians, rates, pairs)}


def table(name: str) -> str:
    """Return one of the tables in Markdown, between the marks that it has on the page."""
    head, *rows = TABLES[name]()
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join([f"<!-- {name}: tools/interval_coverage.py -->", *lines, "<!-- end -->"])


def _cases(targets: int) -> Iterator[tuple[int, float]]:
    """Yield every model, by its place, with every share of the variance between seeds; for one target, the last."""
    return ((place, share) for place in range(len(MODELS)) for share in (SHARES if targets > 1 else SHARES[-1:]))


def _stream(*cell: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(cell).encode()))


def _covered(ends: Ends | None, true: float) -> float | None:
    """Return the share of studies in which the interval has the true value; ``None`` where there is no interval."""
    return None if ends is None else float(np.mean((ends[0] <= true) & (true <= ends[1])))


def _lowest(found: Mapping[str, Sequence[float | None]]) -> str:
    """Return the lowest of each kind; a dash where a method is not for it, ``none`` if it has no interval at all."""
    known = [[value for value in values if value is not None] for values in found.values()]
    return " / ".join(f"{min(values):.2f}" if values else "–" for values in known) if any(known) else "none"


def _chances(seeds: int, targets: int, alike: float) -> Array:
    """Return the probability of each number of successes for each of `RATES`, ``[runs + 1, rates]``.

    Args:
        seeds: how many there are.
        targets: of each seed.
        alike: the correlation of two targets of a seed.
    """
    counts = np.arange(targets + 1)
    columns = []
    for rate in RATES:
        if alike in {0, 1}:
            one = scipy.stats.binom.pmf(counts, targets, rate) if alike == 0 else np.zeros(targets + 1)
            one[[0, -1]] = [1 - rate, rate] if alike == 1 else one[[0, -1]]
        else:
            size = 1 / alike - 1
            one = scipy.stats.betabinom.pmf(counts, targets, rate * size, (1 - rate) * size)
        columns.append(reduce(np.convolve, [one] * seeds))
    return np.array(columns).T


def main() -> None:
    """Print the tables, or compare them with the page's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help=f"compare them with those in {PAGE.name}")
    parser.add_argument("tables", nargs="*", choices=[[], *TABLES], default=[], help="which; default all")
    arguments = parser.parse_args()
    page = PAGE.read_text("utf-8")
    stale = []
    for name in arguments.tables or TABLES:
        print(found := table(name), end="\n\n", flush=True)
        if found not in page:
            stale.append(name)
    if arguments.check and stale:
        sys.exit(f"{PAGE}: not these numbers: {', '.join(stale)}")


if __name__ == "__main__":
    main()
