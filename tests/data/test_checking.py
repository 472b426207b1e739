"""Every way in which a user's data may be wrong ends in one message that names the array, the row and the remedy."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.calling import called
from small import small
from torch import Tensor

from fedlens.core.errors import DataError
from fedlens.core.random import Address
from fedlens.data.columns import Columns
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.data.digits import Digits
from fedlens.data.groups import Groups
from fedlens.data.loading import keeping_data, load
from fedlens.data.partition import Partition, Shards
from fedlens.experiment.setting import prepare

X, Y = torch.rand(30, 4), torch.arange(30) % 3
SOUND = Dataset(Samples(X, Y), Samples(X[:12], Y[:12]), ("a", "b", "c"))


class Given(Data):
    """Whatever a test gives."""

    def load(self, directory: Path | None = None) -> Dataset:
        return GIVEN[0]  # type: ignore[no-any-return]


GIVEN: list[Any] = []


def loaded(found: object) -> Dataset:
    GIVEN[:] = [found]
    return load(Given())


def train(x: Any = X, y: Any = Y) -> Dataset:
    return replace(SOUND, train=Samples(x, y))


def held_out(x: Any = SOUND.test.x, y: Any = SOUND.test.y) -> Dataset:
    return replace(SOUND, test=Samples(x, y))


def changed(tensor: Tensor, place: Any, value: float) -> Tensor:
    tensor = tensor.clone()
    tensor[place] = value
    return tensor


def nested() -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTorch's, that nested tensors are young
        return torch.nested.nested_tensor([torch.zeros(2)] * 30)


def quantised() -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, that this will go
        return torch.quantize_per_tensor(X, 0.1, 0, torch.quint8)


def with_(**changes: Any) -> Dataset:
    return replace(SOUND, **changes)


class Named(Columns):
    """Of two columns."""

    features = ("age", "town")

    def encoded(self, feature: str, value: float | str) -> dict[int, float]:
        raise NotImplementedError

    def words(self, record: Tensor) -> dict[str, str]:
        raise NotImplementedError


def grouped(of: Tensor, names: tuple[str, ...] = ("a", "b")) -> Dataset:
    return with_(groups=Groups(names, of))


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "a label below 0": (lambda: train(y=changed(Y, 7, -100)), r"train\.y: row 7 is -100; there are 3 classes, 0 to 2"),
    "a label too high": (lambda: held_out(y=changed(Y[:12], 3, 7)), r"test\.y: row 3 is 7; there are 3 classes, 0"),
    "a label of one more": (lambda: train(y=Y + 1), r"train\.y: row 2 is 3; there are 3 classes"),
    "more inputs than labels": (lambda: train(y=Y[:20]), r"train: has 30 rows of x beside 20 of y; give a label"),
    "more labels than inputs": (lambda: held_out(x=X[:11]), r"test: has 11 rows of x beside 12 of y"),
    "bytes as labels": (lambda: train(y=Y.byte()), r"train\.y: is torch.uint8; int64 is right: \.long\(\)"),
    "int32 as labels": (lambda: held_out(y=Y[:12].int()), r"test\.y: is torch.int32; int64 is right"),
    "fractions as labels": (lambda: train(y=Y.float()), r"train\.y: is torch.float32; int64"),
    "labels in a column": (lambda: train(y=Y[:, None]), r"train\.y: has the shape \[30, 1\]; one number .*flatten"),
    "one-hot labels": (lambda: train(y=torch.eye(3).long()[Y]), r"train\.y: has the shape \[30, 3\]; .*argmax"),
    "a source that is a name": (lambda: with_(source="x"), r"source: is 'x'; give the number of a class, 0 to 2"),
    "a source that is no class": (lambda: with_(source=3), r"source: is 3; give the number of a class, 0 to 2"),
    "a target below 0": (lambda: with_(target=-1), r"target: is -1; give the number"),
    "a truth as target": (lambda: with_(target=True), r"target: is True; give the number"),
    "target and source alike": (lambda: with_(source=0, target=0), r"target: is the same class as source, 0; choose"),
    "NumPy inputs": (lambda: train(x=X.numpy()), r"train\.x: is a numpy.ndarray; make it a tensor: torch.as_tensor"),
    "NumPy labels": (lambda: held_out(y=Y[:12].numpy()), r"test\.y: is a numpy.ndarray; make it a tensor"),
    "listed inputs": (lambda: train(x=X.tolist()), r"train\.x: is a list; make it a tensor"),
    "a tuple of samples": (lambda: with_(train=(X, Y)), r"train: is a tuple; make it fedlens.Samples\(x, y\)"),
    "no samples": (lambda: with_(test=None), r"test: is nothing; make it fedlens.Samples"),
    "a tuple": (lambda: (SOUND.train, SOUND.test), r"load: gave a tuple; return fedlens.Dataset\(train, test, classes"),
    "nothing": (lambda: None, r"load: gave nothing; return fedlens.Dataset"),
    "numbers as names": (lambda: with_(classes=(0, 1, 2)), r"classes: has 0; names are words: tuple\(map"),
    "an empty name": (lambda: with_(classes=("a", " ", "c")), r"classes: has ' '; names are words"),
    "a long name": (lambda: with_(classes=("a", "b" * 100_000, "c")), r"classes: has 'b+ … b+'; a name is on one"),
    "a name of two lines": (lambda: with_(classes=("a", "b\nc", "d")), r"classes: has 'b\\nc'; a name is on one line"),
    "names in a word": (lambda: with_(classes="abc"), r"classes: is a str; give a tuple of names"),
    "a number of classes": (lambda: with_(classes=3), r"classes: is a int; give a tuple of names"),
    "a name twice": (lambda: with_(classes=("a", "b", "a")), r"classes: are 'a', 'b', 'a'; give two at least"),
    "one class": (lambda: with_(classes=("a",)), r"classes: are 'a'; give two at least"),
    "no class": (lambda: with_(classes=()), r"classes: are none; give two at least"),
    "NaN": (lambda: train(x=changed(X, (5, 2), np.nan)), r"train\.x: row 5 is not finite \(NaN or infinity\); mend"),
    "infinity": (lambda: held_out(x=changed(X[:12], (11, 0), -np.inf)), r"test\.x: row 11 is not finite"),
    "complex inputs": (lambda: train(x=X.to(torch.complex64)), r"train\.x: is torch.complex64; float32 is right"),
    "bytes as inputs": (lambda: train(x=(255 * X).byte()), r"train\.x: is torch.uint8; float32 is right: \.float\(\)"),
    "truths as inputs": (lambda: train(x=X > 0.5), r"train\.x: is torch.bool; float32 is right: \.float\(\)"),
    "a column of inputs": (lambda: train(x=X[:, 0]), r"train\.x: has the shape \[30\]; a row for each sample"),
    "no training sample": (lambda: train(x=X[:0], y=Y[:0]), r"train\.x: has the shape \[0, 4\]; .*n and all else ≥ 1"),
    "no test sample": (lambda: held_out(x=X[:0], y=Y[:0]), r"test\.x: has the shape \[0, 4\]"),
    "no columns": (lambda: train(x=X[:, :0]), r"train\.x: has the shape \[30, 0\]"),
    "sparse inputs": (lambda: train(x=X.to_sparse()), r"train\.x: is torch.sparse_coo on cpu; dense and on the CPU"),
    "inputs elsewhere": (lambda: train(x=X.to("meta")), r"train\.x: is torch.strided on meta; dense and on the CPU"),
    "nested inputs": (lambda: train(x=nested()), r"train\.x: is a nested tensor; rows of one shape .*to_padded_tensor"),
    "quantised inputs": (lambda: train(x=quantised()), r"train\.x: is torch.quint8; float32 .*dequantize"),
    "other columns in the test set": (lambda: held_out(x=X[:12, :3]), r"test\.x: is .*\[12, 3\] beside .*\[30, 4\]"),
    "another type in the test set": (lambda: held_out(x=X[:12].double()), r"test\.x: is torch.float64 .* beside "),
    "columns in a list": (lambda: with_(columns=["age"]), r"columns: is a list; derive it from fedlens.data.Columns"),
    "too few columns": (lambda: with_(columns=Named()), r"columns.features: names 2; inputs have 4 columns: name"),
    "groups in a list": (lambda: with_(groups=[0]), r"groups: is a list; make it fedlens.data.Groups\(names, of\)"),
    "groups of bytes": (lambda: grouped(Y.byte()), r"groups.of: is torch.uint8 of shape \[30\]; int64 of shape \[30\]"),
    "too few groups": (lambda: grouped(Y[:9]), r"groups.of: is torch.int64 of shape \[9\]; int64 of shape \[30\]"),
    "a group too high": (lambda: grouped(Y), r"groups.of: row 2 is 2; there are 2 groups, 0 to 1"),
    "a group twice": (lambda: grouped(Y % 2, ("a", "a")), r"groups.names: are not a tuple of different words"),
    "a percentage to stop at": (lambda: with_(paper_stop=91), r"paper_stop: is 91; give a fraction"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_data_are_refused(wrong: str) -> None:
    make, words = WRONG[wrong]
    with pytest.raises(DataError, match=f"^{__name__}:Given: {words}"):
        loaded(make())


def test_sound_data_are_taken_as_they_are() -> None:
    with pytest.warns(DeprecationWarning, match="source and target of a Dataset: better chosen by target.source and"):
        found = loaded(replace(SOUND, classes=["a", "b", "c"], source=np.int64(2), target=1))  # type: ignore[arg-type]
    assert (found.classes, found.source, found.target) == (("a", "b", "c"), 2, 1)
    assert type(found.source) is int
    assert torch.equal(found.train.x, X)
    for x in (X.double(), (10 * X).long(), X.half()):
        assert loaded(replace(SOUND, train=Samples(x, Y), test=Samples(x[:12], Y[:12]))).train.x.dtype == x.dtype


def test_the_command_line_says_it_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("theirs.py").write_text(
        "import torch\nfrom fedlens import Data, Dataset, Samples\n"
        "class Mine(Data):\n    def load(self, directory=None):\n"
        "        part = Samples(torch.rand(40, 3), torch.arange(40) % 4)\n"
        "        return Dataset(part, part, ('a', 'b', 'c'), 0, 1)\n"
    )
    Path("mine.yaml").write_text(yaml.safe_dump({"data": "theirs:Mine"}))
    for command in ("run", "partition"):
        code, _, err = called(capsys, command, "mine.yaml")
        assert (code, err) == (2, "Error: theirs:Mine: train.y: row 3 is 3; there are 3 classes, 0 to 2\n")


class Dealt(Partition):
    """Whatever a test gives."""

    def split(self, labels: Tensor, clients: int, address: Address) -> Shards:
        return GIVEN[0](len(labels))  # type: ignore[no-any-return]


def shards(order: Any, *offsets: int) -> Shards:
    return Shards(order, torch.tensor(offsets))


MISDEALT: dict[str, tuple[Callable[[int], object], str]] = {
    "a list": (lambda n: [list(range(n))], r"split: gave a list; return fedlens.data.partition.Shards"),
    "an array": (lambda n: shards(np.arange(n), 0, n, n), r"order: is a numpy.ndarray; make it a tensor"),
    "fractions": (lambda n: shards(torch.arange(n).float(), 0, 9, n), r"order: is torch.float32 .*int64"),
    "two dimensions": (lambda n: shards(torch.arange(n)[None], 0, 9, n), r"order: is torch.int64 of shape \[1, 1437\]"),
    "too few offsets": (lambda n: shards(torch.arange(n), 0, n), r"offsets: has 2 numbers, \[0\] to \[1437\]; 3 "),
    "offsets from 1": (lambda n: shards(torch.arange(n), 1, 9, n), r"offsets: has 3 numbers, \[1\] to \[1437\]; 3 "),
    "offsets that end early": (lambda n: shards(torch.arange(n), 0, 9, 20), r"offsets: .*\[20\]; 3 numbers from 0 to"),
    "overlapping clients": (lambda n: shards(torch.arange(n), 0, n + 1, n), r"offsets: client 1 ends before"),
    "a sample that is none": (lambda n: shards(torch.arange(n) + 1, 0, 9, n), r"order: row 1436 is 1437; samples are"),
    "a sample below 0": (lambda n: shards(torch.arange(n) - 1, 0, 9, n), r"order: row 0 is -1; samples are 0 to 1436"),
    "a sample twice": (lambda n: shards(torch.arange(n) // 2, 0, 9, n), r"order: has sample 0 more than once; deal"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", MISDEALT)
def test_wrong_shards_are_refused(wrong: str) -> None:
    make, words = MISDEALT[wrong]
    GIVEN[:] = [make]
    with pytest.raises(DataError, match=f"^{__name__}:Dealt: {words}"):
        prepare(small(data=Digits(), clients=2, partition=Dealt(), attack=None))


def test_sound_shards_are_taken_as_they_are() -> None:
    GIVEN[:] = [lambda n: shards(torch.arange(20).flip(0), 0, 5, 20)]
    found = prepare(small(data=Digits(), clients=2, partition=Dealt(), attack=None)).shards
    assert found.order.tolist() == list(range(19, -1, -1))
    assert found.sizes.tolist() == [5, 15]


def test_within_a_block_built_in_data_are_loaded_once_and_custom_ones_every_time() -> None:
    with keeping_data():
        kept = load(Digits())
        assert load(Digits()) is kept
        assert loaded(SOUND) is not loaded(SOUND)
        assert load(Digits()) is kept
        assert load(Digits(), Path("elsewhere")) is not kept
        assert load(Digits()) is not kept, "only the last one is kept"
    assert load(Digits()) is not load(Digits())
