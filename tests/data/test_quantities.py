"""Labels that are quantities: standardised by the training samples, told in their unit, refused where they are none."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import TensorDataset

from fedlens.core.errors import DataError
from fedlens.core.random import Address
from fedlens.data.arrays import Arrays
from fedlens.data.checking import checked_dataset
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.data.loading import load
from fedlens.data.quantity import Quantity
from fedlens.data.table import Table
from fedlens.data.torch_pairs import from_torch
from fedlens.data.validation import set_apart

FRAME = pd.DataFrame({"size": range(50), "town": ["a", "b"] * 25, "price": [1000 + 10 * n for n in range(50)]})
X = torch.arange(8.0).reshape(4, 2)
Y = torch.tensor([100.0, 300.0, 100.0, 300.0])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEDLENS_DATA", raising=False)


def table(**options: object) -> Dataset:
    FRAME.to_csv("houses.csv", index=False)
    return Table.model_validate({"path": "houses.csv", "task": "regression", **options}).load()


def test_a_table_is_standardised_by_its_training_rows() -> None:
    dataset = table()
    assert dataset.quantity is not None
    raw = [dataset.quantity.in_unit(part.y).numpy() for part in (dataset.train, dataset.test)]
    assert [len(part) for part in raw] == [40, 10]
    np.testing.assert_allclose(np.sort(np.concatenate(raw)), FRAME.price, atol=1e-3)
    assert dataset.quantity.mean == pytest.approx(raw[0].mean())
    assert dataset.quantity.std == pytest.approx(raw[0].std(), rel=1e-6)
    assert dataset.train.y.dtype == torch.float32
    assert (dataset.classes, dataset.outputs) == ((), 1)


def test_an_archive_has_quantities_too() -> None:
    np.savez("mine.npz", x=np.arange(20.0).reshape(10, 2), y=np.arange(10) / 4)
    dataset = Arrays(path="mine.npz", task="regression").load()
    assert dataset.quantity is not None
    y = torch.cat([dataset.quantity.in_unit(part.y) for part in (dataset.train, dataset.test)])
    torch.testing.assert_close(y.sort().values, torch.arange(10.0).double() / 4, atol=1e-6, rtol=0)
    assert (len(dataset.train), len(dataset.test)) == (8, 2)


@pytest.mark.parametrize(
    "made",
    [
        lambda: checked_dataset(Dataset(Samples(X, Y), Samples(X, Y + 50), classes=()), "mine"),
        lambda: from_torch(TensorDataset(X, Y), TensorDataset(X, Y + 50), classes=()),
    ],
)
def test_a_data_set_of_ones_own_is_standardised_by_hand(made: Callable[[], Dataset]) -> None:
    dataset = made()  # mean (100 + 300) / 2 = 200, deviation 100
    assert dataset.quantity == Quantity(200.0, 100.0)
    assert dataset.train.y.tolist() == [-1, 1, -1, 1]
    assert dataset.test.y.tolist() == [-0.5, 1.5, -0.5, 1.5]
    again = checked_dataset(dataset, "mine")
    assert again.train.y.tolist() == [-1, 1, -1, 1]


def test_labels_in_another_unit_are_other_data() -> None:
    one, other = (checked_dataset(Dataset(Samples(X, Y * k), Samples(X, Y * k), ()), "mine") for k in (1, 2))
    assert torch.equal(one.train.y, other.train.y)
    assert one.fingerprint() != other.fingerprint()


def test_quantities_are_set_apart_without_classes() -> None:
    rest, taken = set_apart(torch.arange(20.0), 5, Address.root(0), "root")
    assert sorted([*rest.tolist(), *taken.tolist()]) == list(range(20))
    assert len(taken) == 5


def with_y(y: torch.Tensor) -> Callable[[], object]:
    return lambda: checked_dataset(Dataset(Samples(X, y), Samples(X, y), classes=()), "mine")


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "words": (lambda: table(label="town"), "the label, holds words, .* -o data.task=classification"),
    "alike": (Table(path="same.csv", label="size", test=0.5, task="regression").load, "is 3 in every training sample"),
    "whole numbers": (with_y(Y.long()), "give two at least, all different; of a regression none"),
    "a column": (with_y(Y[:, None]), r"train.y: has the shape \[4, 1\]; .* \.squeeze\(1\)"),
    "infinite": (with_y(Y / 0), "train.y: row 0 is not finite"),
    "all the same": (with_y(Y * 0), "train.y: is 0 in every row"),
    "a pair without a number": (lambda: from_torch([(X[0], "a")], [(X[0], 1)], classes=()), r"train\[0\] is 'a'"),
    "a pair of a fraction": (lambda: from_torch([(X[0], 0.5)], [(X[0], 1)]), "of a regression, say classes="),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_quantity_is_refused(name: str) -> None:
    pd.DataFrame({"size": [3, 3], "town": ["a", "b"], "price": [1, 2]}).to_csv("same.csv", index=False)
    make, message = REFUSED[name]
    with pytest.raises(DataError, match=message):
        make()


class Unsaid(Data):
    """Quantities of which the class does not say so."""

    def load(self, directory: Path | None = None) -> Dataset:
        return Dataset(Samples(X, Y), Samples(X, Y), classes=())


def test_a_class_has_to_say_that_its_labels_are_quantities() -> None:
    with pytest.raises(DataError, match=r"let regression\(self\) of its class return True"):
        load(Unsaid())
