"""Data sets of Hugging Face's library, which these tests need: images and text, from folders, with columns found."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from fedlens.core.errors import DataError
from fedlens.data.huggingface import HuggingFace


def test_without_the_library_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"mnist: datasets is not installed; pip install 'fedlens\[data\]'"):
        HuggingFace(path="mnist").load()


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library, in a folder of the test's, without a network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEDLENS_DATA", raising=False)
    import datasets as library

    monkeypatch.setattr(library.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    return library


def made(library: Any, count: int = 10, **changes: Any) -> Any:
    columns = {
        "img": ([Image.new("L", (8, 8), 10 * k) for k in range(count)], library.Image()),
        "kind": ([k % 2 for k in range(count)], library.ClassLabel(names=["even", "odd"])),
    } | changes
    present = {name: column for name, column in columns.items() if column is not None}
    features = library.Features({name: feature for name, (_, feature) in present.items()})
    return library.Dataset.from_dict({name: values for name, (values, _) in present.items()}, features=features)


def refusal(**options: object) -> str:
    with pytest.raises(DataError) as caught:
        HuggingFace(**({"path": "own", "size": 8} | options)).load()
    return str(caught.value)


def pasted(message: str) -> HuggingFace:
    _, option, *_ = shlex.split(re.search(r"-o .*", message)[0])  # type: ignore[index]
    name, _, value = option.removeprefix("data.").partition("=")
    return HuggingFace(**({"path": "own", "size": 8} | {name: yaml.safe_load(value)}))


def test_images_of_a_saved_data_set(datasets: Any) -> None:
    part = made(datasets)
    datasets.DatasetDict({"train": part, "test": part.select([1, 2])}).save_to_disk("own")
    dataset = HuggingFace(path="own", size=8, colour="grey").load()
    assert dataset.classes == ("even", "odd")
    assert dataset.train.x.shape == (10, 1, 8, 8)
    assert dataset.train.x[:, 0, 0, 0].numpy() == pytest.approx(np.arange(10) * 10 / 255)
    assert dataset.train.y.tolist() == [0, 1] * 5
    assert dataset.test.y.tolist() == [1, 0]


def test_a_part_alone_is_split_by_class(datasets: Any) -> None:
    made(datasets).save_to_disk("own")
    dataset = HuggingFace(path="own", size=8).load()
    assert dataset.test.y.bincount().tolist() == [1, 1]
    assert len(dataset.train) == 8
    assert HuggingFace(path="own", size=8).load().fingerprint() == dataset.fingerprint()


def test_a_folder_of_images_is_the_librarys_to_find(datasets: Any) -> None:
    for name, shade in (("cat", 50), ("dog", 200)):
        for part in ("train", "test"):
            Path("own", part, name).mkdir(parents=True)
            Image.new("L", (9, 8), shade).save(f"own/{part}/{name}/0.png")
    dataset = HuggingFace(path="own", size=8).load()
    assert dataset.classes == ("cat", "dog")
    assert dataset.test.x[:, 0, 0, 0].tolist() == pytest.approx([50 / 255, 200 / 255])


def test_text_becomes_numbers_of_the_training_characters(datasets: Any) -> None:
    def part(*texts: str) -> Any:
        label = ([f"l{k % 2}" for k in range(len(texts))], datasets.Value("string"))
        return made(datasets, img=None, kind=None, text=(list(texts), datasets.Value("string")), label=label)

    datasets.DatasetDict({"train": part("ba", "abcabc"), "validation": part("a", "xb")}).save_to_disk("own")
    dataset = HuggingFace(path="own", length=4).load()
    assert dataset.classes == ("l0", "l1")
    assert dataset.train.x.dtype == torch.int64
    assert dataset.train.x.tolist() == [[3, 2, 0, 0], [2, 3, 4, 2]]
    assert dataset.test.x.tolist() == [[2, 0, 0, 0], [1, 3, 0, 0]]


def test_what_is_not_clear_is_asked_for(datasets: Any) -> None:
    again = ([1] * 10, datasets.ClassLabel(names=["no", "yes"]))
    made(datasets, other=again).save_to_disk("own")
    message = refusal()
    assert message.startswith("own: has several columns of labels (kind, other); name the one to be read")
    assert pasted(message).load().classes == ("even", "odd")
    assert "data.label: there is no column 'kinds'; did you mean kind? -o data.label=kind" in refusal(label="kinds")
    assert "own: has no part tests, but train; e.g. -o data.test=train" in refusal(test="tests")
    assert "column 'other' has neither images nor text" in refusal(label="kind", column="other")


def test_labels_that_are_not_said_are_refused(datasets: Any) -> None:
    part = made(datasets)
    unsaid = made(datasets, kind=([-1] * 10, datasets.ClassLabel(names=["even", "odd"])))
    datasets.DatasetDict({"train": part, "test": unsaid}).save_to_disk("own")
    message = refusal()
    assert message.startswith("own: test, row 0: the label is -1, which is no class of the training samples; ")
    assert len(pasted(message).load().test) == 2


def test_what_is_nowhere_or_empty_is_refused(datasets: Any) -> None:
    assert refusal().startswith("own: ")
    assert "--data-dir FOLDER" in refusal()
    Path("own").mkdir()
    assert refusal().startswith("own: cannot be read (EmptyDatasetError")
