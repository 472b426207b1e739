"""Others' Bulyan, run beside the paper's, written once more with all that it leaves open."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import reduce
from types import SimpleNamespace

import numpy as np
from ran_shown import Shown, Take, flower_results

from fedlens.studies.conformance.case import Rows, column

FEDML = "python/fedml/core/security/"
FLOWER = "src/py/flwr/server/strategy/aggregate.py"


def flower_bulyan(take: Take) -> Iterator[Shown]:
    """Any answer is right that some choice among equal scores leads to."""
    names = ("_compute_distances", "aggregate_krum", "aggregate_median", "_check_weights_equality")
    more = ("_find_reference_weights", "_aggregate_n_closest_weights", "aggregate_bulyan")
    taken = take(FLOWER, *names, *more, reduce=reduce)
    for clients, f in ((7, 1), (9, 1), (11, 2)):
        rows = np.random.default_rng(clients).normal(size=(clients, 3))
        theirs = taken.aggregate_bulyan(flower_results(rows), f, taken.aggregate_krum, to_keep=0)[0]
        right = _nearest(bulyans(rows, f), theirs)
        yield Shown(f"{clients} drawn updates, f = {f}", right, right, theirs)


def flpoison_bulyan_index(take: Take) -> Iterator[Shown]:
    """Krum chooses 12.2, the third; of those left 13, then the third: it is taken for 12.2, which is left out again."""
    utils = take("aggregators/aggregator_utils.py", "L2_distances", "krum_compute_scores", defaultdict=defaultdict)
    rows = column(10, 11, 12.2, 13, 14.5, 30, 50)
    theirs = _flpoison_bulyan(take, rows, take("aggregators/krum.py", "krum", **vars(utils)).krum)
    yield Shown("10, 11, 12.2, 13, 14.5, 30, 50, f = 1", _nearest(bulyans(rows, 1), theirs), [12.2], theirs)


def flpoison_bulyan_mean(take: Take) -> Iterator[Shown]:
    """Choose the last each time, whose index is right: of the five, the three nearest to 12.2 are to be averaged."""
    rows = column(50, 30, 10, 14.5, 11, 13, 12.2)
    theirs = _flpoison_bulyan(take, rows, lambda left, *_, **__: len(left) - 1)
    right, stated = (11 + 12.2 + 13) / 3, (10 + 11 + 12.2 + 13 + 14.5) / 5
    yield Shown("50, 30, 10, 14.5, 11, 13, 12.2, f = 1", [right], [stated], theirs)


def _flpoison_bulyan(take: Take, rows: Rows, krum: Callable[..., int]) -> Rows:
    defence = SimpleNamespace(args=SimpleNamespace(num_clients=len(rows), num_adv=1), enable_check=False, beta=5)
    found: Rows = take("aggregators/bulyan.py", "Bulyan.aggregate", krum=krum).aggregate(defence, rows)
    return found


def fedml_bulyan_mean(take: Take) -> Iterator[Shown]:
    """θ = 5 and f = 1: about the median 4, the nearest three are 4, 3, 6, the nearest two 4, 3."""
    theirs = take(f"{FEDML}defense/bulyan_defense.py", "BulyanDefense.trimmed_mean").trimmed_mean
    yield Shown("the last step on 0, 3, 4, 6, 20", [13 / 3], [3.5], theirs(column(0, 3, 4, 6, 20), 2))


def fedml_bulyan_krum(take: Take) -> Iterator[Shown]:
    """Plain distances to all others are the least for the median."""
    file = f"{FEDML}defense/bulyan_defense.py"
    taken = take(file, "BulyanDefense._krum_create_distances", "BulyanDefense._krum", defaultdict=defaultdict)
    rows = column(0, 1, 2.5, 10, 4.5)
    theirs = taken._krum(None, rows, 5, 1, taken._krum_create_distances(rows))
    yield Shown("Krum of 0, 1, 2.5, 10, 4.5, f = 1", [1], [2.5], theirs)


def bulyans(rows: Rows, f: int) -> list[Rows]:
    """Return all that Bulyan may answer: Krum, of at least one neighbour, may choose any update of the least score."""
    squares = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)
    chosen = {frozenset[int]()}
    for _ in range(len(rows) - 2 * f):
        chosen = {one | {best} for one in chosen for best in _krums(squares, f, sorted({*range(len(rows))} - one))}
    return [_about_median(rows[sorted(one)], len(one) - 2 * f) for one in chosen]


def _krums(squares: Rows, f: int, left: list[int]) -> list[int]:
    counted = max(len(left) - f - 2, 1)
    scores = np.array([np.sort(squares[i, [j for j in left if j != i]])[:counted].sum() for i in left])
    return [i for i, score in zip(left, scores, strict=True) if np.isclose(score, scores.min())]


def _about_median(rows: Rows, count: int) -> Rows:
    nearest = np.argsort(np.abs(rows - np.median(rows, axis=0)), axis=0)[:count]
    mean: Rows = np.take_along_axis(rows, nearest, axis=0).mean(axis=0)
    return mean


def _nearest(answers: list[Rows], theirs: Rows) -> Rows:
    nearest: Rows = min(answers, key=lambda answer: float(np.abs(answer - theirs).max()))
    return nearest


BULYANS_SHOWN = {
    "vio1etus/FLPoison aggregators/bulyan.py:35-53": flpoison_bulyan_index,
    "vio1etus/FLPoison aggregators/bulyan.py:55-57": flpoison_bulyan_mean,
    f"FedML-AI/FedML {FEDML}defense/bulyan_defense.py:101-115": fedml_bulyan_mean,
    f"FedML-AI/FedML {FEDML}defense/bulyan_defense.py:126-136": fedml_bulyan_krum,
    f"adap/flower {FLOWER}:174-214": flower_bulyan,
}
