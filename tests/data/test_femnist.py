"""Files like LEAF's: whose sample is which, and what is refused with which place."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from fedlens.core.errors import DataError
from fedlens.data.femnist import Femnist


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEDLENS_DATA", raising=False)


def leaf(**labels: list[int]) -> dict[str, Any]:
    """A file of these writers' labels; the first pixel of a sample is its label's hundredth, the last one 0.5."""
    data = {name: {"x": [[label / 100, *[1.0] * 782, 0.5] for label in own], "y": own} for name, own in labels.items()}
    return {"users": list(labels), "num_samples": [len(own) for own in labels.values()], "user_data": data}


def write(file: str, content: object) -> None:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(content if isinstance(content, str) else json.dumps(content))


def test_samples_labels_and_writers() -> None:
    write("femnist/all_data_1.json", leaf(bob=[10, 61, 0, 1, 2]))
    write("femnist/all_data_0.json", leaf(cid=[5, 6], ann=[3] * 10))
    dataset = Femnist().load()
    assert dataset.shape == (1, 28, 28)
    assert (dataset.train.x.dtype, dataset.train.y.dtype) == (torch.float32, torch.int64)
    assert (len(dataset.classes), dataset.classes[10], dataset.classes[36], dataset.classes[61]) == (62, "A", "a", "z")
    assert dataset.groups is not None
    assert dataset.groups.names == ("ann", "bob", "cid")
    assert dataset.groups.of.tolist() == [0] * 8 + [1] * 4 + [2]
    assert len(dataset.test) == 4
    for samples in (dataset.train, dataset.test):
        assert samples.x[:, 0, 0, 0].tolist() == pytest.approx((samples.y / 100).tolist())
        assert (samples.x[:, 0, 27, 27] == 0.5).all()
    assert Femnist().load().fingerprint() == dataset.fingerprint()


def test_folders_train_and_test_are_taken_as_they_are() -> None:
    write("here/train/a.json", leaf(ann=[1, 2], bob=[3]))
    write("here/test/a.json", leaf(ann=[4]))
    dataset = Femnist(path="here").load()
    assert (dataset.train.y.tolist(), dataset.test.y.tolist()) == ([1, 2, 3], [4])
    assert dataset.groups is not None
    assert dataset.groups.of.tolist() == [0, 0, 1]


def changed(path: list[Any], value: object) -> dict[str, Any]:
    """A good file with one entry changed; ``...`` takes it out."""
    content = leaf(ann=[1, 2], bob=[3])
    *above, last = path
    place: Any = content
    for step in above:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "has no users"),
        ({"users": [], "num_samples": [], "user_data": {}}, "has no users"),
        (changed(["num_samples"], ...), "has no num_samples"),
        (changed(["num_samples"], [2]), "users and num_samples are no lists of one length"),
        (changed(["num_samples", 1], 2), "writer 'bob': 1 samples in x, but num_samples says 2"),
        (changed(["user_data", "bob"], ...), "user_data has no 'bob'"),
        (changed(["user_data", "ann", "y"], ...), "writer 'ann' has no y"),
        (changed(["user_data", "ann", "y"], [1]), "writer 'ann': 1 labels in y, but num_samples says 2"),
        (changed(["user_data", "ann", "y", 1], 62), "writer 'ann', sample 1: the label is 62, not 0 to 61"),
        (changed(["user_data", "ann", "y", 1], True), "writer 'ann', sample 1: the label is True"),
        (changed(["user_data", "ann", "y", 1], 1.0), "writer 'ann', sample 1: the label is 1.0"),
        (changed(["user_data", "ann", "x", 1], [0.5] * 783), "writer 'ann', sample 1: x has 783 values, not 784"),
        (changed(["user_data", "ann", "x", 0, 9], "a"), "writer 'ann', sample 0: x has 784 values, not 784 numbers"),
        (changed(["user_data", "ann", "x", 0, 9], [1]), "writer 'ann', sample 0: x has 0 values"),
        (changed(["user_data", "ann", "x", 0, 9], 255), "writer 'ann', sample 0: x has a value that is not between"),
        (changed(["user_data", "ann", "x", 0, 9], float("nan")), "writer 'ann', sample 0: x has a value that is not"),
        (changed(["user_data", "cid"], {"x": [], "y": []}), "writer 'cid' is in user_data, but not in users"),
        (changed(["users", 0], 7), "users: 7 is no name"),
        (changed(["users", 1], "ann"), "writer 'ann'"),
    ],
)
def test_what_is_not_as_leaf_makes_it_is_refused(content: object, said: str) -> None:
    write("femnist/all_data_0.json", content)
    with pytest.raises(DataError) as caught:
        Femnist().load()
    assert str(caught.value).startswith("femnist/all_data_0.json: ")
    assert said in str(caught.value)
    assert str(caught.value).endswith("let LEAF's preprocess.sh make it again, or remove the file")


def test_a_writer_in_two_files_is_refused() -> None:
    write("femnist/a.json", leaf(ann=[1, 2]))
    write("femnist/b.json", leaf(ann=[3]))
    with pytest.raises(DataError, match=r"b.json: writer 'ann' is in another place, too"):
        Femnist().load()


def test_a_folder_without_files_and_writers_of_one_sample() -> None:
    Path("femnist").mkdir()
    with pytest.raises(DataError, match="femnist: has no file of JSON; name the folder") as caught:
        Femnist().load()
    option, value = str(caught.value).partition("-o data.")[2].split("=")
    write(f"{value}/a.json", leaf(ann=[1, 2], bob=[3, 4]))
    assert len(Femnist(**{option: yaml.safe_load(value)}).load().test) == 2
    write("femnist/a.json", leaf(ann=[1], bob=[3]))
    with pytest.raises(DataError, match="every writer has one sample"):
        Femnist().load()
