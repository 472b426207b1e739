"""Named arrays as rows: every type and shape that clients send comes back as it came, and nothing else is taken."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from fedlens.bridges.wire import Codec, MalformedError
from fedlens.core.layout import Layout

SENT: dict[str, NDArray[Any]] = {
    "norm.running_mean": np.array([0.5, 1.5], np.float32),
    "norm.num_batches_tracked": np.array(9),
    "first.weight": np.arange(6, dtype=np.float16).reshape(2, 3),
    "vocabulary": np.array(["a", "b"]),
    "first.bias": np.array([1.0, 2.0]),
    "mask": np.array([True, False]),
    "index": np.array([[2**40, 3]]),
}


def test_parameters_come_first_then_statistics_then_nothing_else() -> None:
    layout = Codec.of(SENT).layout
    assert [(part.name, part.kind, part.start, part.stop) for part in layout.slices] == [
        ("first.weight", "weight", 0, 6),
        ("first.bias", "bias", 6, 8),
        ("norm.running_mean", "buffer", 8, 10),
        ("norm.num_batches_tracked", "counter", 10, 11),
    ]
    assert layout.parameters.size == 8


def test_what_comes_back_is_what_came() -> None:
    codec = Codec.of(SENT)
    row = codec.row(SENT)
    assert row.tolist() == [0, 1, 2, 3, 4, 5, 1, 2, 0.5, 1.5, 9]
    back = codec.arrays(row, SENT)
    assert list(back) == list(SENT)
    for name, array in SENT.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert (back[name] == array).all()
        assert not np.shares_memory(back[name], array)


def test_a_row_shares_nothing_with_what_was_sent() -> None:
    sent = {"weight": torch.ones(2, 2)}
    row = Codec.of(sent).row(sent)
    row += 1
    assert sent["weight"].sum() == 4


def test_counters_are_whole_again() -> None:
    sent = {"weight": np.zeros((1, 1), np.float32), "count": np.array(4, np.int32)}
    codec = Codec.of(sent)
    assert codec.arrays(torch.tensor([0.0, 4.6]), sent)["count"] == np.array(5, np.int32)


def test_bfloat16_comes_from_pytorch_and_goes_as_float32() -> None:
    sent = {"weight": torch.tensor([[1.5, -2.0]], dtype=torch.bfloat16)}
    codec = Codec.of(sent)
    back = codec.arrays(codec.row(sent), sent)["weight"]
    assert back.dtype == np.float32
    assert back.tolist() == [[1.5, -2.0]]


def test_a_module_has_the_kinds_that_its_own_layout_says() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    kinds = {part.name: part.kind for part in Codec.of(module.state_dict()).layout.slices}
    assert kinds == {part.name: part.kind for part in Layout.of(module).slices}


def test_arrays_in_a_list_are_told_apart_by_their_shape() -> None:
    codec = Codec.of({"0": np.zeros((2, 2), np.float32), "1": np.zeros(2, np.float32)})
    assert [part.kind for part in codec.layout.slices] == ["weight", "bias"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"first.bias": None}, "'first.bias' is missing"),
        ({"second.bias": np.zeros(2)}, "'second.bias' is not among the server's arrays"),
        ({"first.bias": np.zeros((2, 1))}, r"first.bias is of shape \[2, 1\]; \[2\] is right"),
        ({"first.bias": np.array(["x", "y"])}, "first.bias holds no numbers"),
        ({"first.bias": np.array([1j, 1j])}, "first.bias holds no numbers"),
        ({"first.bias": [1.0, 2.0]}, "first.bias holds no numbers"),
        ({"first.bias": np.array([1.0, np.nan])}, "entry 1 of first.bias is NaN"),
        ({"first.bias": np.array([-np.inf, 1.0])}, "entry 0 of first.bias is -inf"),
        ({"first.bias": np.array([1e300, 1.0])}, "entry 0 of first.bias is inf"),
        ({"norm.num_batches_tracked": np.array([9])}, r"num_batches_tracked is of shape \[1\]; \[\] is right"),
    ],
)
def test_what_is_not_the_servers_is_refused(change: dict[str, Any], words: str) -> None:
    arrays = {name: array for name, array in (SENT | change).items() if array is not None}
    with pytest.raises(MalformedError, match=words):
        Codec.of(SENT).row(arrays)


def test_without_weights_there_is_no_model() -> None:
    with pytest.raises(MalformedError, match="there are no weights"):
        Codec.of({"count": np.array(1), "running_mean": np.zeros(2, np.float32)})


def odd(array: NDArray[Any]) -> list[NDArray[Any]]:
    """The same numbers in memory that PyTorch does not take as it is."""
    frozen = array.copy()
    frozen.flags.writeable = False
    return [array[::-1].copy()[::-1], array.astype(array.dtype.newbyteorder(">")), frozen, np.asfortranarray(array)]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_memory_of_every_order_is_read(kind: type) -> None:
    array = np.arange(6, dtype=kind).reshape(3, 2)
    codec = Codec.of({"weight": array})
    for other in odd(array):
        assert codec.row({"weight": other}).tolist() == [0, 1, 2, 3, 4, 5]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=6, max_size=6))
def test_any_numbers_come_back_to_the_bit(numbers: list[float]) -> None:
    sent = {"weight": np.array(numbers[:4], np.float32).reshape(2, 2), "bias": np.array(numbers[4:], np.float32)}
    codec = Codec.of(sent)
    back = codec.arrays(codec.row(sent), sent)
    assert all((back[name].view(np.int32) == sent[name].view(np.int32)).all() for name in sent)
