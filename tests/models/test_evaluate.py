from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedlens.goals.success import Success, TargetSamples, success
from fedlens.models.evaluation import Quality, blocks, quality, stretches

PROBABILITIES = [[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.3, 0.3, 0.4], [0.25, 0.5, 0.25]]
PREDICTIONS = torch.tensor(PROBABILITIES, dtype=torch.float64).log()


def auxiliary(index: list[int], true: list[int], target: list[int]) -> TargetSamples:
    return TargetSamples(torch.zeros(len(index), 1), torch.tensor(true), torch.tensor(target), torch.tensor(index))


def test_quality_by_hand() -> None:
    found = quality(PREDICTIONS, torch.tensor([0, 1, 1, 0]))
    assert found.accuracy == 0.5
    assert found.loss == pytest.approx(-(log(0.7) + log(0.5) + log(0.3) + log(0.25)) / 4)
    assert found.per_class == [0.5, 0.5, None]


def test_a_class_without_samples_has_no_accuracy() -> None:
    assert quality(PREDICTIONS, torch.tensor([1, 1, 1, 1])).per_class == [None, 0.5, None]


def test_all_right_and_all_wrong() -> None:
    assert quality(PREDICTIONS, torch.tensor([0, 1, 2, 1])).per_class == [1, 1, 1]
    assert quality(PREDICTIONS, torch.tensor([0, 1, 2, 1])).accuracy == 1
    assert quality(PREDICTIONS, torch.tensor([1, 2, 0, 2])) == Quality(
        accuracy=0, loss=pytest.approx(-(log(0.2) + log(0.4) + log(0.3) + log(0.25)) / 4), per_class=[0, 0, 0]
    )


def test_the_loss_is_summed_in_double_precision() -> None:
    rows = torch.full((100_000, 2), log(0.5))
    exact = -float(rows[0, 0])
    assert quality(rows, torch.zeros(100_000, dtype=torch.int64)).loss == pytest.approx(exact, rel=1e-12)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.integers(0, 1_000))
def test_accuracy_is_the_mean_of_the_classes_weighted_by_their_samples(labels: list[int], seed: int) -> None:
    y = torch.tensor(labels)
    rows = torch.randn(len(y), 3, generator=torch.Generator().manual_seed(seed)).log_softmax(1)
    found = quality(rows, y)
    hits = sum(share * labels.count(label) for label, share in enumerate(found.per_class) if share is not None)
    assert found.accuracy == pytest.approx(hits / len(y))
    assert [share is None for share in found.per_class] == [label not in labels for label in range(3)]


def test_success_by_hand() -> None:
    found = success(PREDICTIONS, auxiliary([2, 0], true=[0, 1], target=[2, 2]))
    assert found == Success(
        confidence=pytest.approx([0.4, 0.1]),
        true_confidence=pytest.approx([0.3, 0.2]),
        predicted=[2, 0],
        met=1,
        success=False,
    )


def test_success_is_all_of_them() -> None:
    assert success(PREDICTIONS, auxiliary([1, 3], true=[0, 0], target=[1, 1])).success
    assert success(PREDICTIONS, auxiliary([1, 3], true=[0, 0], target=[1, 1])).met == 2
    assert success(PREDICTIONS, auxiliary([0], true=[0], target=[1])).met == 0
    assert not success(PREDICTIONS, auxiliary([0], true=[0], target=[1])).success


def test_what_is_told_is_plain() -> None:
    found = success(PREDICTIONS.float(), auxiliary([1], true=[0], target=[1]))
    kinds = [type(value) for value in (found.confidence[0], found.predicted[0], found.met, found.success)]
    assert kinds == [float, int, int, bool]
    assert type(quality(PREDICTIONS, torch.tensor([0, 1, 1, 0])).loss) is float


def test_what_is_not_a_number_is_no_prediction() -> None:
    """The highest of NaNs is the first, which must not count as class 0."""
    predictions = torch.tensor([[0.9, 0.1], [torch.nan, torch.nan]]).log()
    labels = torch.tensor([0, 0])
    assert quality(predictions, labels).accuracy == 0.5
    wanted = TargetSamples(torch.zeros(1, 1), torch.tensor([1]), torch.tensor([0]), torch.tensor([1]))
    found = success(predictions, wanted)
    assert (found.confidence, found.true_confidence, found.met, found.success) == ([0], [0], 0, False)
    assert found.predicted == [None]


@pytest.mark.parametrize(
    ("samples", "workers", "expected"),
    [
        (1200, 1, [(0, 500), (500, 1000), (1000, 1200)]),
        (10_000, 2, [(start, min(start + 1500, 10_000)) for start in range(0, 10_000, 1500)]),
        (300, 2, [(0, 300)]),
    ],
)
def test_stretches_are_of_whole_blocks(samples: int, workers: int, expected: list[tuple[int, int]]) -> None:
    assert stretches(samples, workers) == expected
    joined = [block for start, stop in expected for block in blocks(start, stop)]
    assert joined == blocks(0, samples), "the same blocks, whoever evaluates them"


def test_blocks_by_hand() -> None:
    assert blocks(0, 1001) == [slice(0, 500), slice(500, 1000), slice(1000, 1001)]
