import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from fedlens.core.errors import DataError
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.data.validation import set_apart

ADDRESS = Address.root(4).at("validation")


def numbered(counts: list[int]) -> Samples:
    """So many samples of each class, in a mixed order; each holds a number of its own."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    return Samples(torch.arange(len(labels), dtype=torch.float32)[:, None], labels)


def split(samples: Samples, count: int) -> tuple[Samples, Samples]:
    """What is left, and what is taken out."""
    rest, taken = set_apart(samples.y, count, ADDRESS)
    return samples.take(rest), samples.take(taken)


def test_classes_keep_their_proportions_by_hand() -> None:
    rest, taken = split(numbered([60, 30, 10]), 20)
    assert torch.bincount(taken.y).tolist() == [12, 6, 2]
    assert torch.bincount(rest.y).tolist() == [48, 24, 8]


@given(st.lists(st.integers(5, 40), min_size=2, max_size=4), st.data())
def test_every_sample_is_on_one_side_with_its_class(counts: list[int], data: st.DataObject) -> None:
    samples = numbered(counts)
    count = data.draw(st.integers(len(counts), len(samples) - len(counts)))
    rest, taken = split(samples, count)
    assert (len(rest), len(taken)) == (len(samples) - count, count)
    numbers = torch.cat([rest.x, taken.x]).squeeze(1).long()
    assert sorted(numbers.tolist()) == list(range(len(samples)))
    assert torch.equal(torch.cat([rest.y, taken.y]), samples.y[numbers])


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([40, 1, 40, 1, 1, 1], {0: 10, 2: 10, "rare": 1}),  # four classes of one sample are drawn as one of four
        ([40, 1, 3], {0: 10, "rare": 1}),  # one alone goes with the next rarest
    ],
)
def test_classes_of_a_single_sample_are_drawn_together(counts: list[int], expected: dict[int | str, int]) -> None:
    rest, taken = split(numbered(counts), sum(expected.values()))
    assert len(rest) + len(taken) == sum(counts)
    found = taken.y.bincount(minlength=len(counts)).tolist()
    common = [label for label in expected if isinstance(label, int)]
    assert {label: found[label] for label in common} == {label: expected[label] for label in common}
    assert sum(count for label, count in enumerate(found) if label not in common) == expected["rare"]


def test_the_draw_depends_on_its_address_alone() -> None:
    samples = numbered([30, 30])
    first, again = (set_apart(samples.y, 10, ADDRESS)[1].tolist() for _ in range(2))
    other = set_apart(samples.y, 10, Address.root(5).at("validation"))[1].tolist()
    assert first == again != other


@pytest.mark.parametrize("count", [60, 100, 1])
def test_what_cannot_be_set_apart_is_told(count: int) -> None:
    with pytest.raises(DataError, match=rf"^validation: {count} of 60 training samples cannot .* -o validation=6$"):
        set_apart(numbered([30, 30]).y, count, ADDRESS)
    with pytest.raises(DataError, match=r"-o validation=4$"):  # one of each class
        set_apart(numbered([5, 5, 5, 5]).y, 2, ADDRESS)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(1, 50), st.integers(0, 99))
def test_the_draw_is_scikit_learns(counts: list[int], count: int, seed: int) -> None:
    labels, address = numbered(counts).y, Address.root(seed)
    strata = labels if 1 not in counts else None  # classes of a single sample scikit-learn refuses
    draws = [(labels, strata), (labels.double(), None)] if strata is not None else [(labels.double(), None)]
    for given_, stratify in draws:
        try:
            drawn = train_test_split(
                range(len(labels)), test_size=count, stratify=stratify, random_state=address.integer() % 2**32
            )
        except ValueError:
            with pytest.raises(DataError):
                set_apart(given_, count, address)
        else:
            assert [side.tolist() for side in set_apart(given_, count, address)] == [sorted(side) for side in drawn]
