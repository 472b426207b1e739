"""Arrays of an archive become samples; what cannot be read safely, or rightly, is refused with what to do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import IterableDataset, TensorDataset

from fedlens.core.errors import DataError
from fedlens.data.arrays import Arrays
from fedlens.data.torch_pairs import from_torch

X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.arange(40) % 2
IMAGES = np.arange(40 * 6 * 6 * 3, dtype=np.uint8).reshape(40, 6, 6, 3)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEDLENS_DATA", raising=False)


def saved(**arrays: Any) -> Arrays:
    np.savez("mine.npz", **arrays)
    return Arrays(path="mine.npz")


def test_x_and_y_are_split_and_double_becomes_single() -> None:
    dataset = saved(x=X, y=Y).load()
    assert (dataset.train.x.dtype, len(dataset.train), len(dataset.test)) == (torch.float32, 32, 8)
    assert dataset.test.y.bincount().tolist() == [4, 4]
    every = torch.cat([dataset.train.x, dataset.test.x])
    assert sorted(every[:, 0].tolist()) == sorted(X[:, 0].astype(np.float32).tolist())
    assert dataset.classes == ("0", "1")


def test_a_split_of_the_user_s_own_is_kept() -> None:
    dataset = saved(x_train=X, y_train=Y, x_test=X[:5], y_test=Y[:5], classes=np.array(["no", "yes"])).load()
    np.testing.assert_array_equal(dataset.train.x.numpy(), X.astype(np.float32))
    assert (dataset.test.y.tolist(), dataset.classes) == ([0, 1, 0, 1, 0], ("no", "yes"))


def test_words_and_names_of_classes() -> None:
    words = np.array(["yes", "no"] * 20)
    assert saved(x=X, y=words).load().classes == ("no", "yes")
    assert saved(x=X, y=words, classes=np.array(["yes", "no"])).load().classes == ("yes", "no")


def test_owners_are_those_of_the_training_samples() -> None:
    dataset = saved(x=X, y=Y, groups=np.array([f"g{int(row[0] > 0)}" for row in X])).load()
    assert dataset.groups is not None
    assert dataset.groups.names == ("g0", "g1")
    assert dataset.groups.of.tolist() == [int(row[0] > 0) for row in dataset.train.x]


def test_bytes_are_scaled_and_channels_turned_if_it_is_said(caplog: pytest.LogCaptureFixture) -> None:
    saved(x=IMAGES, y=Y)
    with pytest.raises(DataError, match=r"x has the shape \[40, 6, 6, 3\].*-o data.channels=last"):
        Arrays(path="mine.npz").load()
    dataset = Arrays(path="mine.npz", channels="last").load()
    assert dataset.shape == (3, 6, 6)
    assert "mine.npz: x holds bytes, which are divided by 255" in caplog.text
    expected = {tuple((image.transpose(2, 0, 1) / np.float32(255)).astype(np.float32).ravel()[:50]) for image in IMAGES}
    assert {tuple(image.numpy().ravel()[:50]) for image in torch.cat([dataset.train.x, dataset.test.x])} == expected


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "objects": ({"x": np.array([{}, {}], dtype=object), "y": Y[:2]}, "x holds Python objects"),
    "words as labels, of objects": ({"x": X, "y": np.array(["a"] * 40, dtype=object)}, "y.astype(str)"),
    "no y": ({"x": X, "labels": Y}, "has no y (it has x, labels)"),
    "no x_test": ({"x_train": X, "y_train": Y}, "has no x_test, y_test"),
    "fewer labels": ({"x": X, "y": Y[:39]}, "y has the shape [39], but x has 40 samples"),
    "one-hot labels": ({"x": X, "y": np.eye(2)[Y]}, "y.argmax(1) of one-hot labels"),
    "quantities": ({"x": X, "y": X[:, 0]}, "of quantities, -o data.task=regression"),
    "negative labels": ({"x": X, "y": -Y}, "y is from -1 to 0"),
    "huge labels": ({"x": X, "y": Y * 10**6}, "y is from 0 to 1000000"),
    "few names": ({"x": X, "y": Y, "classes": np.array(["a"])}, "classes has 1 names, but y goes up to 1"),
    "strange word": ({"x": X, "y": np.array(["a", "b"] * 20), "classes": np.array(["a", "c"])}, "y has 'b'"),
    "NaN": ({"x": np.where(X[7, 0] == X, np.nan, X), "y": Y}, "x[7] has numbers that are not finite"),
    "too large": ({"x": X * 1e300, "y": Y}, "x[0] has numbers that are not finite in float32"),
    "complex": ({"x": X * 1j, "y": Y}, "x holds complex128"),
    "text": ({"x": X.astype(str), "y": Y}, "x holds <U"),
    "a line": ({"x": X[:, 0], "y": Y}, "x has the shape [40]"),
    "nothing": ({"x": X[:0], "y": Y[:0]}, "x has the shape [0, 3]"),
    "one class": ({"x": X, "y": Y * 0}, "classes"),
    "one sample": ({"x": X[:1], "y": Y[:1]}, "has no test samples"),
    "two shapes": ({"x_train": X, "y_train": Y, "x_test": X[:, :2], "y_test": Y}, "the shapes [40, 3] and [40, 2]"),
    "NaN as a label": ({"x": X, "y": np.where(Y == 1, np.nan, 0)}, "y[1] is nan; give each sample a class"),
    "endless labels": ({"x": X, "y": np.where(Y == 1, np.inf, 0)}, "y[1] is inf"),
    "unsigned labels": ({"x": X, "y": np.full(40, 2**64 - 1, np.uint64)}, f"y is from {2**64 - 1} to {2**64 - 1}"),
    "bytes": ({"x": X, "y": np.array([b"a", b"\xff"])[Y]}, "y has bytes that are no text in UTF-8"),
    "owners": ({"x": X, "y": Y, "groups": Y[:3]}, "groups has the shape [3]"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_rightly_is_refused(name: str) -> None:
    arrays, said = REFUSED[name]
    data = saved(**arrays)
    with pytest.raises(DataError) as caught:
        data.load()
    assert str(caught.value).startswith("mine.npz: ")
    assert said in str(caught.value)
    assert "; " in str(caught.value)


def test_bytes_of_labels_are_text() -> None:
    assert saved(x=X, y=np.array(["ä".encode(), b"b"])[Y]).load().classes == ("b", "ä")


def test_a_damaged_archive_is_refused() -> None:
    saved(x=X, y=Y)
    whole = Path("mine.npz").read_bytes()
    flipped = bytearray(whole)
    flipped[200] ^= 255
    for content in (b"", whole[:300], b"PK\x03\x04", whole[:-30], b"a,b\n1,2\n", bytes(flipped)):
        Path("mine.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"mine.npz: cannot be read as a NumPy archive"):
            Arrays(path="mine.npz").load()
    np.save("mine.npy", X)
    with pytest.raises(DataError, match=r"mine.npy: is a single array; save both, np.savez\('mine.npy', x=x, y=y\)"):
        Arrays(path="mine.npy").load()


class Pairs(TensorDataset):
    classes = ("even", "odd")


def test_data_sets_of_pytorch() -> None:
    x, y = torch.from_numpy(X).float(), torch.from_numpy(Y)
    dataset = from_torch(Pairs(x, y), TensorDataset(x[:4], y[:4]))
    assert torch.equal(dataset.train.x, x)
    assert (dataset.test.y.tolist(), dataset.classes) == ([0, 1, 0, 1], ("even", "odd"))
    pixels = [((torch.ones(1, 2, 2) * 255).to(torch.uint8), 1), ((torch.zeros(1, 2, 2)).to(torch.uint8), 0)]
    assert from_torch(pixels, pixels).train.x.flatten(1).tolist() == [[1] * 4, [0] * 4]


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(())


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (Stream(), "train has no length"),
        ([], "train is empty"),
        ([(torch.ones(2), 0), torch.ones(2)], "train[1] is no pair"),
        ([(torch.ones(2), 0), (torch.ones(3), 1)], "the input of train[1] has the shape [3], and that of train[0] [2]"),
        ([("a picture", 0)], "the input of train[0] is a str; give the data set a transform"),
        ([(torch.ones(2), "cat")], "the class of train[0] is 'cat'"),
        ([(torch.ones(2), 0.5)], "the class of train[0] is 0.5"),
        ([(torch.ones(2), 0), (torch.ones(2), -1)], "from_torch: train.y: row 1 is -1"),
        ([(torch.tensor([float("nan")]), 0), (torch.ones(1), 1)], "from_torch: train.x: row 0 is not finite"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_them_says_which(pairs: Any, said: str) -> None:
    with pytest.raises(DataError) as caught:
        from_torch(pairs, [(torch.ones(2), 0), (torch.ones(2), 1)])
    assert said in str(caught.value)
