"""What holds of every attack that crafts one update from honest ones: order, shifts, scales, and inputs left alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from teams import a_team, sent
from torch import Tensor

from fedlens.attacks.a_little_is_enough import ALittleIsEnough
from fedlens.attacks.adaptive_ipm import AdaptiveIpm
from fedlens.attacks.agr_tailored import AgrTailored
from fedlens.attacks.attack import Attack
from fedlens.attacks.fang_krum import FangKrum
from fedlens.attacks.inner_product_manipulation import InnerProductManipulation
from fedlens.attacks.min_max import MinMax
from fedlens.attacks.min_sum import MinSum
from fedlens.attacks.sign_flipping import SignFlipping

KRUM = {"name": "krum", "f": 1}
ATTACKS: dict[str, tuple[Callable[[], Attack], Any]] = {
    "a-little-is-enough": (lambda: ALittleIsEnough(sees="all", z=1.2), None),
    "min-max": (lambda: MinMax(direction="std"), None),
    "min-max, unit": (lambda: MinMax(direction="unit"), None),
    "min-sum": (lambda: MinSum(direction="std"), None),
    "min-sum, sign": (lambda: MinSum(direction="sign", bound="min"), None),
    "inner-product-manipulation": (lambda: InnerProductManipulation(eps=0.5), None),
    "adaptive-ipm": (AdaptiveIpm, "mean"),
    "sign-flipping, mean": (lambda: SignFlipping(flips="mean", c=2), None),
    "agr-tailored": (lambda: AgrTailored(tolerance=0.5), "mean"),
    "fang-krum": (lambda: FangKrum(epsilon=0, threshold=1e-3), KRUM),
}
SHIFTING = ["a-little-is-enough", "min-max", "min-sum", "agr-tailored"]
"""Those that go from the mean by standard deviations, wherever zero is."""

ROWS = arrays(
    np.float64, st.tuples(st.integers(3, 6), st.integers(1, 4)), elements=st.integers(-40, 40).map(lambda n: n / 8)
)


def crafted(name: str, rows: Tensor) -> Tensor:
    make, rule = ATTACKS[name]
    return sent(make(), a_team(torch.zeros(2, rows.shape[1]).double(), rows, rule=rule))[0]


@pytest.mark.parametrize("name", ATTACKS)
@settings(max_examples=12, deadline=None)
@given(rows=ROWS, data=st.data())
def test_the_order_of_clients_makes_no_difference_and_their_updates_stay(name: str, rows: Any, data: Any) -> None:
    updates = torch.from_numpy(rows)
    before = updates.clone()
    other = updates[data.draw(st.permutations(range(len(rows))))]
    torch.testing.assert_close(crafted(name, updates), crafted(name, other), rtol=1e-6, atol=1e-6)
    assert torch.equal(updates, before)


@pytest.mark.parametrize("name", SHIFTING)
@settings(max_examples=12, deadline=None)
@given(rows=ROWS, scale=st.sampled_from([0.125, 3.0, 1e6]), shift=st.integers(-9, 9))
def test_it_goes_with_shifts_and_scales(name: str, rows: Any, scale: float, shift: int) -> None:
    updates = torch.from_numpy(rows)
    wanted = crafted(name, updates) * scale + shift
    torch.testing.assert_close(crafted(name, updates * scale + shift), wanted, rtol=1e-6, atol=1e-5 * scale)


@pytest.mark.parametrize(
    "name",
    ["min-max, unit", "min-sum, sign", "inner-product-manipulation", "adaptive-ipm", "sign-flipping, mean"],
)
@settings(max_examples=12, deadline=None)
@given(rows=ROWS, scale=st.sampled_from([0.125, 3.0, 1e6]))
def test_it_goes_with_scales(name: str, rows: Any, scale: float) -> None:
    updates = torch.from_numpy(rows)
    if float(updates.mean(0).norm()) < 1e-9:
        return  # no direction
    wanted = crafted(name, updates) * scale
    torch.testing.assert_close(crafted(name, updates * scale), wanted, rtol=1e-6, atol=1e-5 * scale)
