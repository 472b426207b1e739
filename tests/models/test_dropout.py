from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from fedlens.core.random import Address
from fedlens.kernels.coin import Coin
from fedlens.models.dropout import Dropout

ADDRESS = Address.root(3).at("dropout")


def planes(count: int, words: int = 1) -> list[NDArray[np.uint8]]:
    """The first fair bits that the address gives, a plane after another."""
    generator = ADDRESS.generator()
    return [np.unpackbits(generator.bit_generator.random_raw(words).view(np.uint8)) for _ in range(count)]


def keep_bits(generator: np.random.Generator, count: int, keep: float) -> tuple[NDArray[np.uint8], float]:
    """Bits that are 1 with probability `keep` as rounded, and that."""
    coin = Coin.of(keep)
    return coin.toss(generator, count), coin.probability


def dropout(p: float, address: Address | None = ADDRESS) -> Dropout:
    layer = Dropout(p)
    layer.source = None if address is None else address.generator()
    return layer.train()


# Bits


@pytest.mark.parametrize("p", [0.5, 0.25, 0.1, 0.9, 0.75, 0.3])
def test_bits_are_kept_as_often_as_asked(p: float) -> None:
    count = 1_000_000
    bits, keep = keep_bits(ADDRESS.generator(), count, 1 - p)
    assert set(np.unique(bits)) == {0, 1}
    # Four standard deviations of a binomial share; and the neighbouring 16-bit probabilities are too near to tell.
    assert abs(bits.mean() - keep) < 4 * sqrt(keep * (1 - keep) / count)
    # No part of a 64-bit word differs from the others.
    columns = bits.reshape(-1, 64).mean(0)
    assert np.abs(columns - keep).max() < 5 * sqrt(keep * (1 - keep) / (count / 64))


@pytest.mark.parametrize(
    ("keep", "exact"),
    [
        (0.5, 0.5),
        (0.75, 0.75),
        (0.25, 0.25),
        (0.9, 58_982 / 65_536),  # 58,982.4
        (0.1, 6_554 / 65_536),  # 6,553.6
        (1 / 65_536, 1 / 65_536),
        (1 - 1 / 65_536, 65_535 / 65_536),
        (0.3 / 65_536, 0.0),
        (1 - 0.3 / 65_536, 1.0),
        (0.0, 0.0),
        (1.0, 1.0),
    ],
)
def test_the_probability_is_rounded_to_sixteen_binary_digits(keep: float, exact: float) -> None:
    assert keep_bits(ADDRESS.generator(), 10, keep)[1] == exact


@given(st.floats(0, 1))
def test_rounding_is_to_the_nearest(keep: float) -> None:
    rounded = keep_bits(ADDRESS.generator(), 1, keep)[1]
    assert abs(rounded - keep) <= 2**-17
    assert (rounded * 2**16).is_integer()


@pytest.mark.parametrize(("keep", "bit"), [(0.0, 0), (1.0, 1), (1e-9, 0), (1 - 1e-9, 1)])
def test_certain_bits_need_no_draw(keep: float, bit: int) -> None:
    generator = ADDRESS.generator()
    bits, _ = keep_bits(generator, 70, keep)
    assert bits.tolist() == [bit] * 70
    assert bits.dtype == np.uint8
    assert generator.random() == ADDRESS.generator().random()


def test_bits_by_hand() -> None:
    first, second, third = planes(3)
    for keep, expected in [
        (0.5, first),
        (0.25, first & second),
        (0.75, first | second),
        (0.625, (first & second) | third),  # 0.101 in binary, from the last digit to the first
    ]:
        assert keep_bits(ADDRESS.generator(), 64, keep)[0].tolist() == expected.tolist()


@pytest.mark.parametrize(("keep", "used"), [(0.5, 1), (0.75, 2), (0.25, 2), (0.125, 3), (0.9, 15)])
def test_a_digit_costs_a_plane(keep: float, used: int) -> None:
    generator = ADDRESS.generator()
    keep_bits(generator, 129, keep)  # three words of 64 bits
    other = ADDRESS.generator()
    other.bit_generator.random_raw(3 * used)
    assert generator.random() == other.random()


@given(st.integers(0, 300), st.floats(0, 1))
def test_there_are_as_many_bits_as_asked(count: int, keep: float) -> None:
    bits, _ = keep_bits(ADDRESS.generator(), count, keep)
    assert bits.shape == (count,)


@given(st.integers(1, 200), st.sampled_from([0.5, 0.75, 0.3, 0.0, 1.0]), st.integers(1, 4))
def test_many_tosses_read_at_once_are_those_read_one_after_the_other(count: int, keep: float, times: int) -> None:
    coin, generator = Coin.of(keep), ADDRESS.generator()
    expected = [coin.toss(generator, count).tolist() for _ in range(times)]
    raw = ADDRESS.generator().bit_generator.random_raw(times * coin.words(count))
    assert coin.read(raw.reshape(times, coin.words(count)), count).tolist() == expected


# The layer


@pytest.mark.parametrize("p", [0.5, 0.25, 0.1, 0.9])
def test_expectation_is_kept(p: float) -> None:
    count = 1_000_000
    y = dropout(p)(torch.ones(count, dtype=torch.float64))
    keep = round((1 - p) * 65_536) / 65_536
    assert y.unique().tolist() == [0, 1 / keep]
    assert float(y.mean()) == pytest.approx(1, abs=4 * sqrt((1 - keep) / keep / count))


def test_the_mask_by_hand() -> None:
    bits = planes(1)[0][:6].reshape(2, 3)
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert dropout(0.5)(x).tolist() == (2 * x * torch.from_numpy(bits)).tolist()
    assert 0 < bits.sum() < 6


def test_evaluation_is_the_identity() -> None:
    x = torch.rand(50)
    layer = dropout(0.5).eval()
    assert layer(x) is x
    assert layer.source is not None
    assert layer.source.random() == ADDRESS.generator().random()


def test_masks_that_are_ready_are_taken_in_turn() -> None:
    layer, x = dropout(0.5), torch.tensor([1.0, 2.0])
    layer.ready = iter([torch.tensor([3.0, 0.0]), torch.tensor([0.0, 5.0])])
    assert layer(x).tolist() == [3, 0]
    assert layer(x).tolist() == [0, 10]
    assert layer.source is not None
    assert layer.source.random() == ADDRESS.generator().random(), "nothing was drawn"


def test_dropping_nothing_is_the_identity() -> None:
    x = torch.rand(50)
    assert dropout(0.0)(x) is x


@pytest.mark.parametrize("shape", [(100,), (4, 25), (2, 2, 5, 5)])
def test_same_source_same_masks(shape: tuple[int, ...]) -> None:
    x = torch.ones(shape)
    first, again, other = dropout(0.5), dropout(0.5), dropout(0.5, ADDRESS.at("other"))
    y = first(x)
    assert torch.equal(y, again(x))
    assert not torch.equal(y, other(x))
    assert not torch.equal(y, first(x)), "the next mask is another one"


def test_masks_do_not_depend_on_the_global_generator() -> None:
    torch.manual_seed(1)
    first = dropout(0.5)(torch.ones(100))
    torch.manual_seed(2)
    assert torch.equal(first, dropout(0.5)(torch.ones(100)))


def test_without_a_source_it_is_torchs() -> None:
    x = torch.ones(1_000)
    torch.manual_seed(1)
    ours = dropout(0.25, None)(x)
    torch.manual_seed(1)
    assert torch.equal(ours, functional.dropout(x, 0.25))
    assert 0 < int((ours == 0).sum()) < 1_000


def test_gradient_passes_through_kept_entries_only() -> None:
    x = torch.ones(200, requires_grad=True)
    y = dropout(0.25)(x)
    (3 * y).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.where(y > 0, 4.0, 0.0))
    assert 0 < int((x.grad == 0).sum()) < 200


def test_type_of_the_input_is_kept() -> None:
    def out(x: Tensor) -> torch.dtype:
        return dropout(0.5)(x).dtype

    assert out(torch.ones(3, dtype=torch.float64)) == torch.float64
    assert out(torch.ones(3, dtype=torch.bfloat16)) == torch.bfloat16


@pytest.mark.parametrize("p", [1, 1.5, -0.1, float("nan"), 1 - 1e-9])
def test_a_probability_that_drops_everything_or_is_none_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="probability of dropping"):
        Dropout(p)


def test_the_largest_probability() -> None:
    y = dropout(1 - 2**-16)(torch.ones(1_000_000))
    assert y.unique().tolist() == [0, 65_536]


def test_what_is_printed() -> None:
    assert repr(nn.Sequential(Dropout(0.25))[0]) == "Dropout(p=0.25)"
