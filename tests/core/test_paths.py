"""What is believed when it is found again lies where nobody else can have written it."""

import os
import stat
from pathlib import Path

import pytest
from small import small

import fedlens
from fedlens.core.errors import RunError
from fedlens.core.paths import cache_dir, private_cache, state_dir


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_this_users_alone() -> None:
    before = os.umask(0)
    try:
        folder = private_cache("controls")
    finally:
        os.umask(before)
    assert folder == cache_dir() / "controls"
    assert mode(folder) == mode(cache_dir()) == 0o700


def test_a_folder_of_ones_own_that_a_group_could_write_is_closed() -> None:
    cache_dir().mkdir(mode=0o755)
    (cache_dir() / "controls").mkdir()
    (cache_dir() / "controls").chmod(0o775)
    assert mode(private_cache("controls")) == 0o700


@pytest.mark.parametrize("open_to_all", [0o777, 0o775, 0o722])
def test_a_cache_that_others_can_write_is_not_believed(tmp_path: Path, open_to_all: int) -> None:
    cache_dir().mkdir()
    cache_dir().chmod(open_to_all)
    with pytest.raises(
        RunError, match=r"can be written by others, so what is found there cannot be believed; chmod go-w"
    ):
        fedlens.run(small(control=True), tmp_path / "run", engine="serial")


def test_but_in_a_folder_like_tmp_nobody_can_take_the_place_of_another(tmp_path: Path) -> None:
    cache_dir().mkdir()
    cache_dir().chmod(0o1777)
    assert mode(private_cache("controls")) == 0o700


@pytest.mark.parametrize("name", ["", "controls"])
def test_nor_is_one_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (cache_dir() / name).mkdir(parents=True)
    os_stat = Path.stat

    def owned(path: Path, *arguments: object, **options: object) -> os.stat_result:
        found = os_stat(path, *arguments, **options)  # type: ignore[arg-type]
        if path != cache_dir() / name:
            return found
        return os.stat_result((*found[:4], os.geteuid() + 1, *found[5:]))

    monkeypatch.setattr(Path, "stat", owned)
    with pytest.raises(RunError, match="belongs to another user"):
        fedlens.run(small(control=True, rounds=1), tmp_path / "run", engine="serial")


def test_a_twin_of_somebody_else_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fedlens.simulation.callback import Callback

    class Ears(Callback):
        heard: list[str] = []  # noqa: RUF012 - one test, one object

        def remark(self, text: str) -> None:
            self.heard.append(text)

    fedlens.run(small(control=True, rounds=1), tmp_path / "one", engine="serial")
    (twin,) = [path for path in (cache_dir() / "controls").iterdir() if path.is_dir()]
    monkeypatch.setattr("fedlens.simulation.twin.is_users", lambda path: path != twin or bool(Ears.heard))
    fedlens.run(small(control=True, rounds=1), tmp_path / "two", engine="serial", observer=Ears())
    assert any("trained again" in text and "belongs to another user" in text for text in Ears.heard)


def test_the_state_has_a_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FEDLENS_STATE", str(tmp_path / "mine"))
    assert state_dir() == tmp_path / "mine"
    monkeypatch.delenv("FEDLENS_STATE")
    assert state_dir().name == "fedlens"
