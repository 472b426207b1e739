"""CIFAR's archives, made up: where pixels and labels are, and what is refused."""

import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedlens.core.cache_contents import KINDS
from fedlens.core.errors import DataError
from fedlens.core.files import checksum
from fedlens.core.paths import cache_dir
from fedlens.data import cifar
from fedlens.data.cifar import CIFAR_10, CIFAR_100, Cifar10, Cifar100

TEN = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def record(*labels: int, first: int = 0) -> bytes:
    """A record whose bytes count up from `first`, with what is above 255 beginning anew."""
    return bytes(labels) + (np.arange(3072) + first).astype(np.uint8).tobytes()


def ten(**changes: bytes) -> dict[str, bytes]:
    """The files of CIFAR-10, with two records in each."""
    files = {"batches.meta.txt": "\n".join([*TEN, "", ""]).encode(), "readme.html": b"<html>"}
    for number in range(1, 6):
        files[f"data_batch_{number}.bin"] = record(number, first=number) + record(9)
    return {**files, "test_batch.bin": record(3) + record(0), **{name.replace("_bin", ".bin"): content
            for name, content in changes.items()}}  # fmt: skip


def hundred() -> dict[str, bytes]:
    names = "\n".join(f"kind{number}" for number in range(100)).encode()
    return {"fine_label_names.txt": names, "train.bin": record(1, 99) + record(2, 50), "test.bin": record(19, 0)}


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put an archive where it is looked for, and take it for the right one."""

    def make(files: dict[str, bytes], end: int | None = None, hundred: bool = False) -> Path:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            for name, content in files.items():
                member = tarfile.TarInfo(f"cifar-batches-bin/{name}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        real = CIFAR_100 if hundred else CIFAR_10
        [name] = real.sha256
        path = tmp_path / name
        path.write_bytes(archive.getvalue()[:end])
        fake = replace(real, sha256={name: checksum(path)}, mirrors=())
        monkeypatch.setattr(cifar, "CIFAR_100" if hundred else "CIFAR_10", fake)
        return path

    return make


def test_pixels_and_labels_of_cifar_10(put: Callable[..., Path], tmp_path: Path) -> None:
    put(ten())
    dataset = Cifar10().load(tmp_path)
    assert dataset.classes == TEN
    assert dataset.train.x.shape == (10, 3, 32, 32)
    assert dataset.train.y.tolist() == [1, 9, 2, 9, 3, 9, 4, 9, 5, 9]
    assert dataset.test.y.tolist() == [3, 0]
    assert (dataset.train.x.dtype, dataset.train.y.dtype) == (torch.float32, torch.int64)
    channel, row, column = 2, 5, 7
    value = (channel * 1024 + row * 32 + column + 4) % 256
    assert dataset.train.x[6, channel, row, column].item() == pytest.approx(value / 255)
    assert dataset.train.x.max() == 1


def test_the_fine_label_of_cifar_100_is_the_class(put: Callable[..., Path], tmp_path: Path) -> None:
    put(hundred(), hundred=True)
    dataset = Cifar100().load(tmp_path)
    assert (len(dataset.classes), dataset.classes[99]) == (100, "kind99")
    assert dataset.train.y.tolist() == [99, 50]
    assert dataset.test.y.tolist() == [0]
    assert dataset.test.x[0, 0, 0, :3].tolist() == pytest.approx([0, 1 / 255, 2 / 255])


@pytest.mark.parametrize(
    ("files", "end", "said"),
    [
        (ten(), 400, "cannot be read"),
        (ten(), 0, "cannot be read"),
        (ten(test_batch_bin=record(3)[:-1]), None, "test_batch.bin has 3,072 bytes, no multiple of 3,073"),
        (ten(test_batch_bin=b""), None, "test_batch.bin has 0 bytes"),
        (ten(data_batch_2_bin=record(0) + record(10)), None, "data_batch_2.bin: record 1 is of class 10, and the last"),
        (ten(**{"batches.meta.txt": b"cat\ndog\n"}), None, "batches.meta.txt has 2 names instead of 10"),
        ({"batches.meta.txt": b""}, None, "lacks data_batch_1.bin, data_batch_2.bin"),
    ],
)
def test_a_damaged_archive_is_refused_by_name(
    files: dict[str, bytes], end: int | None, said: str, put: Callable[..., Path], tmp_path: Path
) -> None:
    path = put(files, end)
    with pytest.raises(DataError) as caught:
        Cifar10().load(tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "downloaded again" in str(caught.value)


def test_an_archive_with_another_digest_is_not_read(
    put: Callable[..., Path], tmp_path: Path, serve: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(ten())
    path.write_bytes(path.read_bytes() + b"\0")
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setattr(cifar, "CIFAR_10", replace(cifar.CIFAR_10, mirrors=(serve(empty).url,)))
    with pytest.raises(DataError, match=r"CIFAR-10: not found and not to be downloaded: cifar-10-binary\.tar"):
        Cifar10().load(tmp_path)


def test_nothing_says_that_samples_may_be_passed_on() -> None:
    for data in (Cifar10, Cifar100):
        assert data.about is not None
        assert data.about.licence is None


def test_an_archive_in_the_cache_is_counted_there() -> None:
    [kind] = [kind for kind in KINDS if kind.name == "data"]
    for files in (CIFAR_10, CIFAR_100):
        [name] = files.sha256
        path = cache_dir() / "data" / files.folder / name
        path.parent.mkdir(parents=True)
        path.touch()
        assert path in kind.items()
