"""Which classes are attacked by default: the paper's on its data, the first two elsewhere, and what a data set says."""

import pytest
import torch

from fedlens.data.adult import Adult
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.data.digits import Digits
from fedlens.data.fashion_mnist import FashionMnist
from fedlens.goals.paper_attack import PaperAttack, paper_attack


class Mine(Data):
    """Somebody's own data."""


class MyDigits(Digits):
    """Digits with a change."""


@pytest.mark.parametrize(
    ("data", "said", "attack"),
    [
        (FashionMnist(), {}, PaperAttack(5, 7, 0.91)),  # a sandal for a sneaker
        (Adult(), {}, PaperAttack(0, 1, 0.84)),  # who earns more than 50K for who does not
        (FashionMnist(), {"paper_stop": 0.5}, PaperAttack(5, 7, 0.5)),
        (Mine(), {}, PaperAttack(0, 1)),
        (Mine(), {"source": 1}, PaperAttack(1, 0)),
        (Mine(), {"source": 2}, PaperAttack(2, 1)),
        (Mine(), {"target": 0}, PaperAttack(1, 0)),
        (Mine(), {"source": 2, "target": 0, "paper_stop": 0.9}, PaperAttack(2, 0, 0.9)),
        (MyDigits(), {}, PaperAttack(5, 7)),
        (MyDigits(), {"source": 7}, PaperAttack(7, 5)),
    ],
)
def test_what_is_attacked_by_default(data: Data, said: dict[str, int], attack: PaperAttack) -> None:
    samples = Samples(torch.rand(8, 2), torch.arange(8))
    dataset = Dataset(samples, samples, tuple("abcdefgh"), **said)
    assert paper_attack(data, dataset) == attack


@pytest.mark.parametrize("classes", ["ab", "abcdefg"])  # of seven, the last is 6
def test_of_a_derived_class_with_fewer_classes_the_first_two_are_attacked(classes: str) -> None:
    samples = Samples(torch.rand(2, 2), torch.arange(2))
    assert paper_attack(MyDigits(), Dataset(samples, samples, tuple(classes))) == PaperAttack(0, 1)
