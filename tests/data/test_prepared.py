import stat
from collections.abc import Callable
from errno import ENOSPC
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fedlens.core.paths import cache_dir
from fedlens.data.prepared import prepared


class Maker:
    """Makes tensors, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> dict[str, Tensor]:
        self.asked += 1
        return {"x": torch.arange(6.0).view(2, 3), "y": torch.tensor([self.asked])}


@pytest.fixture
def make() -> Maker:
    return Maker()


def ask(make: Maker, name: str = "thing", sources: tuple[bytes, ...] = (b"a", b"b")) -> dict[str, Tensor]:
    found = prepared(name, sources, ("numpy",), make)
    assert torch.equal(found["x"], torch.arange(6.0).view(2, 3))
    return found


def test_the_second_time_nothing_is_made(make: Maker) -> None:
    first, second = ask(make), ask(make)
    assert make.asked == 1
    assert torch.equal(first["y"], second["y"])
    assert second["y"].dtype == torch.int64


def test_what_is_found_can_be_changed_without_harm(make: Maker) -> None:
    ask(make)
    ask(make)["x"].zero_()
    ask(make)


@pytest.mark.parametrize("sources", [(b"a", b"c"), (b"ab",), (b"", b"ab"), (b"a",)])
def test_other_sources_are_prepared_anew(make: Maker, sources: tuple[bytes, ...]) -> None:
    ask(make)
    ask(make, sources=sources)
    assert make.asked == 2


def test_other_versions_are_prepared_anew(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(make)
    monkeypatch.setattr("fedlens.data.prepared.version", lambda _: "0.1")
    ask(make)
    assert make.asked == 2


def cut(content: bytes) -> bytes:
    return content[:-4]


def flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("damage", [cut, flip, lambda _: b"", lambda _: b"nonsense"])
def test_a_damaged_file_is_made_again(make: Maker, damage: Callable[[bytes], bytes]) -> None:
    ask(make)
    (path,) = (cache_dir() / "prepared").iterdir()
    path.write_bytes(damage(path.read_bytes()))
    ask(make)
    assert make.asked == 2
    ask(make)
    assert make.asked == 2, "and is sound again"


def test_without_a_cache_it_works_all_the_same(make: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / "file"))
    ask(make)
    ask(make)
    assert make.asked == 2


def test_a_full_disk_does_no_harm(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    ask(make)
    assert list((cache_dir() / "prepared").iterdir()) == []


def test_nothing_else_is_left_in_the_cache(make: Maker) -> None:
    ask(make)
    (path,) = (cache_dir() / "prepared").iterdir()
    assert path.suffix == ".safetensors"
    assert stat.S_ISREG(path.stat().st_mode)
