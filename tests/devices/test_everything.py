"""Every component of the registry on another device: where its results are, and that their bits are the same."""

import pytest
import torch
from helpers.elsewhere import AWAY, HERE, Pretended
from helpers.everything import KINDS, ON_THE_CPU, cases, flat
from torch import Tensor

from fedlens.core.registry import BUILT_IN

CASES = cases()

TABLES = ".tables."
"""A check's tables are for files, so that they may be on the CPU in any case."""


def test_every_kind_of_component_is_tried() -> None:
    assert KINDS.keys() | ON_THE_CPU == BUILT_IN.keys()
    assert not KINDS.keys() & ON_THE_CPU


def test_every_component_of_these_kinds_is_tried() -> None:
    assert {f"{kind} {name}" for kind in KINDS for name in BUILT_IN[kind]} <= CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_it_gives_the_same_bits_on_another_device_and_leaves_them_there(name: str) -> None:
    here = flat(CASES[name](HERE))
    with Pretended() as pretended:
        there = flat(CASES[name](AWAY))
        left = [path for path, value in there.items() if isinstance(value, Tensor) and not pretended.has(value)]
    assert [path for path in left if not path.startswith(TABLES)] == []
    assert here.keys() == there.keys()
    for path, value in here.items():
        torch.testing.assert_close(there[path], value, rtol=0, atol=0, equal_nan=True, msg=f"{name}{path}")
