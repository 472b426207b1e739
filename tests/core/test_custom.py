from dataclasses import dataclass

import torch
from torch import Tensor

from fedlens.core.custom import copy_tensors, is_custom
from fedlens.defences.mean import Mean
from fedlens.defences.rule import Rule


class Mine(Mean):
    """Derives from a rule of ours."""


Disguised = type("Disguised", (Rule,), {"__module__": "fedlens_extra.rules"})


def test_a_component_is_custom_where_its_class_is_defined_elsewhere() -> None:
    assert not is_custom(Mean())
    assert is_custom(Mine())
    assert is_custom(Disguised())


@dataclass(frozen=True)
class Several:
    tensor: Tensor
    others: dict[str, Tensor]
    listed: list[tuple[Tensor, int]]
    name: str


def test_a_copy_shares_no_memory_at_any_depth() -> None:
    leaf = torch.ones(3, requires_grad=True)
    value = Several(torch.arange(4.0)[1:], {"a": leaf * 2}, [(torch.zeros(2), 5)], "word")
    copy = copy_tensors(value)
    pairs = [
        (value.tensor, copy.tensor),
        (value.others["a"], copy.others["a"]),
        (value.listed[0][0], copy.listed[0][0]),
    ]
    for mine, theirs in pairs:
        assert torch.equal(mine, theirs)
        assert mine.untyped_storage().data_ptr() != theirs.untyped_storage().data_ptr()
        assert not theirs.requires_grad
    assert copy.tensor.untyped_storage().nbytes() == 12  # not all that the original is a view of
    assert (copy.listed[0][1], copy.name) == (5, "word")


def test_what_is_no_tensor_is_left_alone() -> None:
    for value in (None, 3, "word", Mean()):
        assert copy_tensors(value) is value
