"""Others' defences, run: each function takes theirs out of its file, and yields what it returns of small values."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import permutations
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from ran_bulyan import BULYANS_SHOWN
from ran_shown import Shown, Take, flower_results
from sklearn.metrics import pairwise

from fedlens.studies.conformance.case import Case, Rows, column
from fedlens.studies.conformance.hand_values import HAND

FEDML = "python/fedml/core/security/"
FLOWER = "src/py/flwr/server/strategy/aggregate.py"
Theirs = Callable[[Rows, int], Any]


def flpoison_trimmed_mean(take: Take) -> Iterator[Shown]:
    """Cut off a tenth of 4, which is none, so that the mean is right."""
    theirs = take("aggregators/trimmedmean.py", "trimmed_mean").trimmed_mean
    yield Shown("0, 1, 2, 10 without a tenth at each end", 3.25, 0, theirs(column(0, 1, 2, 10), 0.1)[0])


def fedml_trimmed_mean(take: Take) -> Iterator[Shown]:
    """Of 0, 1, 2, 10 without the ends 1 and 2 are left; by their clients' 4, 3, 1, 2 samples it is 1 and 10."""
    theirs = take(f"{FEDML}common/utils.py", "compute_a_score", "trimmed_mean").trimmed_mean
    left = theirs([(4, 0.0), (3, 1.0), (1, 2.0), (2, 10.0)], 1)
    yield Shown("0, 1, 2, 10 without the ends: what is left", [1, 2], [1, 10], sorted(value for _, value in left))


def flower_trimmed_mean(take: Take) -> Iterator[Shown]:
    """Theirs is given the share that is cut off."""
    theirs = take(FLOWER, "_trim_mean", "aggregate_trimmed_avg").aggregate_trimmed_avg
    yield from _by_hand("trimmed-mean", lambda rows, f: theirs(flower_results(rows), f / len(rows))[0])


def flpoison_median(take: Take) -> Iterator[Shown]:
    """Its method uses nothing of its object."""
    theirs = take("aggregators/median.py", "Median.aggregate").aggregate
    yield from _by_hand("median", lambda rows, _: theirs(None, rows))


def flower_median(take: Take) -> Iterator[Shown]:
    """Theirs is given layers; here there is one."""
    theirs = take(FLOWER, "aggregate_median").aggregate_median
    yield from _by_hand("median", lambda rows, _: theirs(flower_results(rows))[0])


def flower_krum(take: Take) -> Iterator[Shown]:
    """None is to be kept: that is Krum."""
    theirs = take(FLOWER, "_compute_distances", "aggregate_krum").aggregate_krum
    yield from _by_hand("krum", lambda rows, f: theirs(flower_results(rows), f, 0)[0])


def flpoison_krum(take: Take) -> Iterator[Shown]:
    """Of 0, 1, 2.5, 10, 4.5 with f = 1, the nearest two of 0 are 1 and 2.5 away, the third 4.5."""
    names = ("L2_distances", "krum_compute_scores")
    taken = take("aggregators/aggregator_utils.py", *names, defaultdict=defaultdict)
    distances = taken.L2_distances(column(0, 1, 2.5, 10, 4.5))
    theirs = taken.krum_compute_scores(distances, 0, 5, 1)
    yield Shown("the score of 0 among 0, 1, 2.5, 10, 4.5", 1 + 2.5**2, 1 + 2.5 + 4.5, theirs)


def foolsgold_authors(take: Take) -> Iterator[Shown]:
    """Theirs returns weights, which the update is the weighted sum of."""
    theirs = take("deep-fg/fg/foolsgold.py", "foolsgold", smp=pairwise).foolsgold
    for case in HAND["foolsgold"]:
        [rows] = (cohort.rows for cohort in case.rounds)
        with np.errstate(divide="ignore"):
            yield Shown(case.name, _right(case), _right(case), theirs(rows) @ rows)


def fedml_foolsgold(take: Take) -> Iterator[Shown]:
    """Clients A and B, and then B and A, send (1, 2) and (30, 40)."""
    names = ("_get_importance_feature", "fools_gold_score", "defend_before_aggregation")
    taken = take(f"{FEDML}defense/foolsgold_defense.py", *(f"FoolsGoldDefense.{name}" for name in names))
    defence = SimpleNamespace(memory=None)
    defence._get_importance_feature = lambda rows: taken._get_importance_feature(defence, rows)
    defence.fools_gold_score = lambda rows: np.ones(len(rows))
    for sent in ([_layers(1, 2), _layers(30, 40)], [_layers(30, 40), _layers(1, 2)]):
        taken.defend_before_aggregation(defence, sent)
    yield Shown("A's history, first A, B, then B, A", [2, 4], [31, 42], defence.memory[0])


def _layers(*values: float) -> tuple[int, dict[str, torch.Tensor]]:
    """As FedML has an update: a number of samples, and layers, of which the last but one counts."""
    return 1, {"weight": torch.tensor(values), "bias": torch.zeros(1)}


def flpoison_always_true(take: Take) -> Iterator[Shown]:
    """Clients send weights 11 and 12; the global ones are 10."""
    theirs = take("aggregators/aggregator_utils.py", "prepare_grad_updates", model2vec=lambda model: model)
    given = theirs.prepare_grad_updates("FedAvg", column(11, 12), np.array([10.0]))
    yield Shown("weights 11, 12, global 10, FedAvg", column(1, 2), column(11, 12), given)


def fedml_clipping(take: Take) -> Iterator[Shown]:
    """Clip one update (3, 4) to length 1 about 0; about itself it stays."""
    utils = take(f"{FEDML}common/utils.py", "is_weight_param", "vectorize_weight", "compute_euclidean_distance")
    names = (
        "_compute_an_initial_guess",
        "_compute_cclip_score",
        "defend_before_aggregation",
        "defend_after_aggregation",
    )
    file = f"{FEDML}defense/cclip_defense.py"
    bucket = SimpleNamespace(bucketization=lambda rows, _: rows)
    taken = take(file, *(f"CClipDefense.{name}" for name in names), utils=utils, Bucket=bucket, OrderedDict=dict)
    defence = SimpleNamespace(tau=1.0, bucket_size=1, _compute_an_initial_guess=taken._compute_an_initial_guess)
    defence._compute_cclip_score = lambda rows, about: taken._compute_cclip_score(defence, rows, about)
    [(_, clipped)] = taken.defend_before_aggregation(defence, [(1, {"w": torch.tensor([3.0, 4.0])})])
    yield Shown("(3, 4), τ = 1", [0.6, 0.8], [3, 4], taken.defend_after_aggregation(defence, clipped)["w"].numpy())


def fedml_rlr(take: Take) -> Iterator[Shown]:
    """Three of 5 go 1 up, two 1 down: θ = 4 is not reached, and the mean step 0.2 is to be taken backwards."""
    utils = take(f"{FEDML}common/utils.py", "get_total_sample_num")
    names = ("_compute_robust_learning_rates", "run")
    file = f"{FEDML}defense/robust_learning_rate_defense.py"
    taken = take(file, *(f"RobustLearningRateDefense.{name}" for name in names), **vars(utils))
    defence = SimpleNamespace(robust_threshold=4, server_learning_rate=1)
    defence._compute_robust_learning_rates = lambda signs: taken._compute_robust_learning_rates(defence, signs)
    for start, stated in ((10.0, 10.2), (0.5, -0.7)):
        sent = [(1, {"w": torch.tensor([start + step])}) for step in (1.0, 1.0, 1.0, -1.0, -1.0)]
        yield Shown(f"5 clients from {start:g}", [start - 0.2], [stated], taken.run(defence, sent)["w"].numpy())


def flpoison_bucketing(take: Take) -> Iterator[Shown]:
    """0 and 1 in buckets of one, with a seed whose shuffle exchanges two."""
    seed = next(seed for seed in range(20) if _shuffled(seed, [0, 1]) == [1, 0])
    theirs = take("aggregators/bucketing.py", "Bucketing.aggregate", math=math, random=Random(seed)).aggregate
    inner = SimpleNamespace(aggregate=lambda rows: rows)
    given = theirs(SimpleNamespace(bucket_size=1, a_aggregator=inner), column(0, 1))
    yield Shown("0 and 1 in buckets of one", [0, 1], [0, 0], sorted(given.ravel()))


def _shuffled(seed: int, values: list[int]) -> list[int]:
    Random(seed).shuffle(values)
    return values


def fedml_bucketing(take: Take) -> Iterator[Shown]:
    """0, 1, 2, 10 fall into two buckets in 6 ways."""
    names = ("_get_client_num_current_batch", "_get_total_sample_num_for_current_batch", "bucketization")
    taken = take(f"{FEDML}common/bucket.py", *(f"Bucket.{name}" for name in names), math=math, OrderedDict=dict)
    sent = [(1, {"w": value}) for value in (0.0, 1.0, 2.0, 10.0)]
    found = {tuple(bucket["w"] for _, bucket in taken.bucketization(taken, sent, 2)) for _ in range(100)}
    ways = {((one + two) / 2, (three + four) / 2) for one, two, three, four in permutations((0.0, 1.0, 2.0, 10.0))}
    yield Shown("ways in which 0, 1, 2, 10 fall into two buckets", len(ways), 1, len(found))


def _by_hand(name: str, theirs: Theirs) -> Iterator[Shown]:
    for case in HAND[name]:
        [rows] = (cohort.rows for cohort in case.rounds)
        yield Shown(case.name, _right(case), _right(case), theirs(rows, int(case.options.get("f", 0))))


def _right(case: Case) -> Rows:
    assert case.right is not None
    [answer] = case.right
    row: Rows = answer[0]
    return row


DEFENCES_SHOWN = {
    **BULYANS_SHOWN,
    "vio1etus/FLPoison aggregators/trimmedmean.py:25-36": flpoison_trimmed_mean,
    f"FedML-AI/FedML {FEDML}common/utils.py:175-194": fedml_trimmed_mean,
    f"adap/flower {FLOWER}:258-278": flower_trimmed_mean,
    "vio1etus/FLPoison aggregators/median.py:17-18": flpoison_median,
    f"adap/flower {FLOWER}:84-93": flower_median,
    "vio1etus/FLPoison aggregators/aggregator_utils.py:11-26": flpoison_krum,
    f"adap/flower {FLOWER}:96-131": flower_krum,
    "DistributedML/FoolsGold deep-fg/fg/foolsgold.py:8-32": foolsgold_authors,
    f"FedML-AI/FedML {FEDML}defense/foolsgold_defense.py:28-32": fedml_foolsgold,
    "vio1etus/FLPoison aggregators/aggregator_utils.py:28-35": flpoison_always_true,
    f"FedML-AI/FedML {FEDML}defense/cclip_defense.py:59-62": fedml_clipping,
    f"FedML-AI/FedML {FEDML}defense/robust_learning_rate_defense.py:41-53": fedml_rlr,
    "vio1etus/FLPoison aggregators/bucketing.py:28-35": flpoison_bucketing,
    f"FedML-AI/FedML {FEDML}common/bucket.py:7-29": fedml_bucketing,
}
