from collections.abc import Iterator
from math import sqrt

import pandas as pd
import pytest
import torch
from linear import ignore, linear
from torch import nn

from fedlens.explanations.maps import parse_methods
from fedlens.explanations.round_detector import ALL, areas, changes

GRADIENT = parse_methods("gradient")
SAMPLES = torch.tensor([[1.0, 0.1], [0.1, 1]])
ROUNDS = [
    [[2, 0], [0, 2]],  # the first sample is said to be 0, the second 1
    [[2, 0], [0, 2]],
    [[1, 1], [0, 5]],  # likewise; the reasons for 0 are turned by 45 degrees
    [[4, 4], [3, 4]],  # both are 0
]


def test_changes_by_hand() -> None:
    found = changes((linear(rows) for rows in ROUNDS), SAMPLES, GRADIENT, ignore)
    half = 1 - (1 / sqrt(2) + 1) / 2
    cosines = [scores["gradient", "cosine"] for scores in found]
    assert cosines == pytest.approx([0, half, 1 - (1 + 1 / sqrt(2)) / 2])
    # ranks: those of (1, 1) have no order, so it is not like (2, 0); (4, 4) is like (1, 1) but not like (0, 5)
    assert [scores["gradient", "spearman"] for scores in found] == pytest.approx([0, 0.5, 0.5])
    # the one greatest entry; of (1, 1) each is it by a half
    assert [scores["gradient", "top"] for scores in found] == pytest.approx([0, 0.25, 0.25])
    assert [scores[ALL, ALL] for scores in found] == pytest.approx([0, (half + 0.75) / 3, (half + 0.75) / 3])


def test_one_module_may_take_the_weights_of_every_round() -> None:
    module = linear(ROUNDS[0])

    def rounds() -> Iterator[nn.Module]:
        for rows in ROUNDS:
            module.load_state_dict({"weight": torch.tensor(rows, dtype=torch.float32)})
            yield module

    told: list[int] = []
    assert changes(rounds(), SAMPLES, GRADIENT, told.append) == changes(map(linear, ROUNDS), SAMPLES, GRADIENT, ignore)
    assert sum(told) == len(ROUNDS) * len(SAMPLES)


def test_of_a_single_round_there_is_no_change() -> None:
    assert changes([linear(ROUNDS[0])], SAMPLES, GRADIENT, ignore) == []


def scored(seed: int, guilty: list[float], innocent: list[float]) -> list[dict[str, object]]:
    rows = [(score, True) for score in guilty] + [(score, False) for score in innocent]
    same = {"seed": seed, "method": "gradient", "measure": "cosine"}
    return [{**same, "score": score, "guilty": acted} for score, acted in rows]


def test_areas_by_hand() -> None:
    # a seed without guilty rounds has no area of its own, but its innocent ones count among all
    rows = [*scored(0, [3], [1, 2]), *scored(1, [1], [0, 2]), *scored(2, [], [5, 0])]
    (found,) = areas(pd.DataFrame(rows)).to_dict("records")
    assert (found["method"], found["measure"], found["seeds"]) == ("gradient", "cosine", 2)
    assert found["auc"] == pytest.approx((5 + 2.5) / 12)
    assert found["median"] == pytest.approx((1 + 0.5) / 2)
    assert (found["median_range_low"], found["median_range_high"]) == (0.5, 1)
    assert found["median_low"] is found["median_high"] is None


def test_areas_of_five_seeds_have_an_interval() -> None:
    rows = [row for seed, guilty in enumerate([3, 0, 5, 3, 1]) for row in scored(seed, [guilty], [1, 2, 4, 4])]
    (found,) = areas(pd.DataFrame(rows)).to_dict("records")
    names = ("median", "median_low", "median_high", "seeds")
    assert [found[name] for name in names] == [0.5, 0, 1, 5]  # 0.5, 0, 1, 0.5 and 0.125


def test_areas_of_one_seed_have_no_interval() -> None:
    (found,) = areas(pd.DataFrame(scored(4, [3], [1, 4]))).to_dict("records")
    assert (found["auc"], found["median"], found["seeds"]) == (0.5, 0.5, 1)
    assert found["median_low"] is found["median_high"] is None


def test_without_guilty_rounds_there_is_no_area() -> None:
    (found,) = areas(pd.DataFrame([*scored(0, [], [1, 2]), *scored(1, [], [1])])).to_dict("records")
    assert found["seeds"] == 0
    assert found["auc"] is None
    assert found["median"] is None


def test_areas_by_method_and_measure_in_their_order() -> None:
    first, second = scored(0, [1], [0]), [{**row, "method": "all", "measure": "all"} for row in scored(0, [0], [1])]
    found = areas(pd.DataFrame([*first, *second]))
    assert found[["method", "measure", "auc"]].to_numpy().tolist() == [["gradient", "cosine", 1], ["all", "all", 0]]
