import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fedlens.core.errors import DataError
from fedlens.data import fashion_mnist
from fedlens.data.dataset import Dataset
from fedlens.data.fashion_mnist import FILES, FashionMnist, parse_idx
from fedlens.goals.paper_attack import PaperAttack, paper_attack


@pytest.fixture(scope="module")
def data(fashion_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:  # a corrupt file shall fail the tests, not be fetched
        patch.setenv("FEDLENS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(fashion_mnist, "FILES", replace(FILES, mirrors=()))
        return FashionMnist().load(fashion_directory)


def test_sizes_types_and_the_papers_attack(data: Dataset) -> None:
    assert data.train.x.shape == (60_000, 1, 28, 28)
    assert data.test.x.shape == (10_000, 1, 28, 28)
    assert data.train.x.dtype == data.test.x.dtype == torch.float32
    assert data.train.y.dtype == data.test.y.dtype == torch.int64
    assert paper_attack(FashionMnist(), data) == PaperAttack(5, 7, 0.91)
    assert (data.classes[5], data.classes[7], len(data.classes)) == ("sandal", "sneaker", 10)


def test_class_counts(data: Dataset) -> None:
    assert data.train.y.bincount().tolist() == [6_000] * 10
    assert data.test.y.bincount().tolist() == [1_000] * 10


def test_known_labels_and_pixel_statistics(data: Dataset) -> None:
    # The training set begins with an ankle boot and two T-shirts; mean and deviation are the much-used 0.2860, 0.3530.
    assert data.train.y[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert data.test.y[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert data.train.x.mean().item() == pytest.approx(0.2860, abs=5e-5)
    assert data.train.x.std().item() == pytest.approx(0.3530, abs=5e-5)
    assert (data.train.x.min().item(), data.train.x.max().item()) == (0, 1)


def test_pixels_are_where_the_file_has_them(data: Dataset, fashion_directory: Path) -> None:
    raw = gzip.decompress((fashion_directory / "t10k-images-idx3-ubyte.gz").read_bytes())
    for image, row, column in [(0, 14, 14), (7, 20, 3), (9_999, 27, 27), (1_234, 9, 15)]:
        pixel = raw[16 + image * 784 + row * 28 + column]
        assert data.test.x[image, 0, row, column].item() == pytest.approx(pixel / 255)


def test_truncated_file_is_named_and_fetched_again(
    fashion_directory: Path,
    tmp_path: Path,
    serve: Callable[[Path], Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in FILES.sha256:
        (mine / name).symlink_to(fashion_directory / name)
    labels = mine / "train-labels-idx1-ubyte.gz"
    labels.unlink()
    labels.write_bytes((fashion_directory / labels.name).read_bytes()[:20_000])
    mirror = serve(fashion_directory)
    monkeypatch.setattr(fashion_mnist, "FILES", replace(FILES, mirrors=(mirror.url,)))
    data = FashionMnist().load(mine)
    assert data.train.y.bincount().tolist() == [6_000] * 10
    assert mirror.requested == [labels.name]
    assert f"{labels} is corrupt or truncated (20,000 bytes" in caplog.text
    assert labels.stat().st_size == 20_000


def test_without_files_and_network_the_four_files_are_named(
    tmp_path: Path, serve: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setattr(fashion_mnist, "FILES", replace(FILES, mirrors=(serve(empty).url,)))
    with pytest.raises(DataError) as caught:
        FashionMnist().load(empty)
    for name in [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
        "FEDLENS_DATA",
        "--data-dir",
        str(Path("fedlens-cache") / "data" / "fashion-mnist"),
    ]:
        assert name in str(caught.value)


def test_parse_idx_by_hand() -> None:
    content = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes([1, 2, 3, 253, 254, 255])
    array = parse_idx(content, (2, 3))
    assert array.dtype == torch.uint8
    assert array.tolist() == [[1, 2, 3], [253, 254, 255]]
