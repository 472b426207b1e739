import hashlib
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from fedlens.core.errors import DataError
from fedlens.core.paths import cache_dir
from fedlens.data.downloads import RemoteFiles, locate

CONTENT = {"one.gz": b"the first file" * 100, "two.gz": b"the second file" * 100}


@pytest.fixture
def nowhere() -> str:
    """An address on this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


@pytest.fixture
def files(nowhere: str, monkeypatch: pytest.MonkeyPatch) -> RemoteFiles:
    """Two made-up files that no mirror has."""
    monkeypatch.delenv("FEDLENS_DATA", raising=False)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    return RemoteFiles("Made-Up", "made-up", digests, (nowhere,))


def from_mirrors(files: RemoteFiles, *mirrors: str) -> RemoteFiles:
    return RemoteFiles(files.title, files.folder, files.sha256, mirrors)


def write(directory: Path, **changed: bytes) -> Path:
    """Both files, some of them with other content (``one=b"..."``)."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in CONTENT.items():
        (directory / name).write_bytes(changed.get(name.removesuffix(".gz"), content))
    return directory


def the_cache() -> Path:
    return cache_dir() / "data" / "made-up"


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_cache_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / "mine"))
    assert cache_dir() == tmp_path / "mine"
    monkeypatch.setenv("FEDLENS_CACHE", "~/mine")
    assert cache_dir() == Path.home() / "mine"
    monkeypatch.delenv("FEDLENS_CACHE")
    assert cache_dir() == Path(platformdirs.user_cache_dir("fedlens"))
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("folder", ["", "made-up"])
@pytest.mark.parametrize("how", ["argument", "environment"])
def test_user_directory(
    files: RemoteFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, how: str
) -> None:
    place = write(tmp_path / "mine" / folder)
    if how == "argument":
        found = locate(files, tmp_path / "mine")
    else:
        monkeypatch.setenv("FEDLENS_DATA", str(tmp_path / "mine"))
        found = locate(files)
    assert found == {name: place / name for name in CONTENT}
    assert not cache_dir().exists()


def test_order_of_places(files: RemoteFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(the_cache())
    assert locate(files)["one.gz"].parent == the_cache()
    environment = write(tmp_path / "environment")
    monkeypatch.setenv("FEDLENS_DATA", str(environment))
    assert locate(files)["one.gz"].parent == environment
    argument = write(tmp_path / "argument")
    assert locate(files, argument)["one.gz"].parent == argument
    folder = write(argument / "made-up")
    assert locate(files, argument)["one.gz"].parent == folder
    (folder / "one.gz").unlink()
    assert locate(files, argument) == {"one.gz": argument / "one.gz", "two.gz": folder / "two.gz"}


@pytest.mark.parametrize("how", ["--data-dir", "FEDLENS_DATA"])
def test_user_directory_must_exist(
    files: RemoteFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    write(the_cache())  # would do, but the user meant something else
    if how == "FEDLENS_DATA":
        monkeypatch.setenv("FEDLENS_DATA", str(tmp_path / "mistyped"))
    with pytest.raises(DataError, match=f"mistyped \\({how}\\): there is no such directory"):
        locate(files, None if how == "FEDLENS_DATA" else tmp_path / "mistyped")


def test_download_into_the_cache(
    files: RemoteFiles, tmp_path: Path, serve: Callable[[Path], Any], caplog: pytest.LogCaptureFixture
) -> None:
    mirror = serve(write(tmp_path / "mirror"))
    files = from_mirrors(files, mirror.url)
    for _ in range(2):  # the second time from the cache
        found = locate(files)
        assert found == {name: the_cache() / name for name in CONTENT}
        assert {name: path.read_bytes() for name, path in found.items()} == CONTENT
        assert mirror.requested == ["one.gz", "two.gz"]
    assert sorted(os.listdir(the_cache())) == ["one.gz", "two.gz"]  # noqa: PTH208 - with hidden files, sorted
    assert warnings_of(caplog) == []


def test_only_what_is_missing_is_downloaded(files: RemoteFiles, tmp_path: Path, serve: Callable[[Path], Any]) -> None:
    mirror = serve(write(tmp_path / "mirror"))
    mine = write(tmp_path / "mine")
    (mine / "two.gz").unlink()
    found = locate(from_mirrors(files, mirror.url), mine)
    assert found == {"one.gz": mine / "one.gz", "two.gz": the_cache() / "two.gz"}
    assert mirror.requested == ["two.gz"]


@pytest.mark.parametrize("first", ["absent", "empty", "corrupt"])
def test_next_mirror_is_tried(
    files: RemoteFiles, tmp_path: Path, serve: Callable[[Path], Any], nowhere: str, first: str
) -> None:
    (tmp_path / "empty").mkdir()
    bad = {
        "absent": lambda: nowhere,
        "empty": lambda: serve(tmp_path / "empty").url,
        "corrupt": lambda: serve(write(tmp_path / "bad", one=b"a login page", two=b"")).url,
    }[first]()
    good = serve(write(tmp_path / "good"))
    found = locate(from_mirrors(files, bad, good.url))
    assert found["one.gz"].read_bytes() == CONTENT["one.gz"]
    assert good.requested == ["one.gz", "two.gz"]


@pytest.mark.parametrize("bad", [CONTENT["one.gz"][:-1], b"", b"X" + CONTENT["one.gz"][1:]])
def test_corrupt_file_in_the_cache_is_replaced(
    files: RemoteFiles, tmp_path: Path, serve: Callable[[Path], Any], caplog: pytest.LogCaptureFixture, bad: bytes
) -> None:
    write(the_cache(), one=bad)
    mirror = serve(write(tmp_path / "mirror"))
    found = locate(from_mirrors(files, mirror.url))
    assert found["one.gz"] == the_cache() / "one.gz"
    assert found["one.gz"].read_bytes() == CONTENT["one.gz"]
    assert mirror.requested == ["one.gz"]
    size = f"{len(bad):,} bytes"
    assert warnings_of(caplog) == [
        f"{the_cache() / 'one.gz'} is corrupt or truncated ({size}, sha256 differs); it is not used"
    ]


def test_corrupt_file_of_the_user_is_left_alone(
    files: RemoteFiles, tmp_path: Path, serve: Callable[[Path], Any], caplog: pytest.LogCaptureFixture
) -> None:
    mine = write(tmp_path / "mine", two=b"half")
    mirror = serve(write(tmp_path / "mirror"))
    found = locate(from_mirrors(files, mirror.url), mine)
    assert found == {"one.gz": mine / "one.gz", "two.gz": the_cache() / "two.gz"}
    assert found["two.gz"].read_bytes() == CONTENT["two.gz"]
    assert (mine / "two.gz").read_bytes() == b"half"
    (warning,) = warnings_of(caplog)
    assert str(mine / "two.gz") in warning
    assert "\n" not in warning


def test_without_network(files: RemoteFiles) -> None:
    with pytest.raises(DataError) as caught:
        locate(files)
    text = str(caught.value)
    assert "Made-Up: not found and not to be downloaded: one.gz, two.gz" in text
    assert f"put one.gz, two.gz into {the_cache()}" in text
    assert "--data-dir" in text
    assert "FEDLENS_DATA" in text
    assert f"tried {files.mirrors[0]}one.gz: no answer (ConnectionError)" in text
    assert "refused" not in text


def test_what_the_mirrors_answered_is_told(files: RemoteFiles, tmp_path: Path, serve: Callable[[Path], Any]) -> None:
    (tmp_path / "empty").mkdir()
    empty, bad = serve(tmp_path / "empty"), serve(write(tmp_path / "bad", one=b"a login page"))
    with pytest.raises(DataError) as caught:
        locate(from_mirrors(files, empty.url, bad.url))
    assert f"tried {empty.url}one.gz: HTTPError: 404" in str(caught.value)
    assert f"tried {bad.url}one.gz: ValueError: SHA256 hash of downloaded file (one.gz) does not" in str(caught.value)
    assert list(the_cache().iterdir()) == []


def test_without_network_only_the_missing_file_is_named_missing(files: RemoteFiles, tmp_path: Path) -> None:
    mine = write(tmp_path / "mine")
    (mine / "one.gz").unlink()
    with pytest.raises(DataError, match=r"not to be downloaded: one\.gz\n"):
        locate(files, mine)


def test_corrupt_file_without_network_is_named(files: RemoteFiles, tmp_path: Path) -> None:
    mine = write(tmp_path / "mine", one=b"half")
    write(the_cache(), one=b"quarter")
    with pytest.raises(DataError) as caught:
        locate(files, mine)
    text = str(caught.value)
    assert "not to be downloaded: one.gz\n" in text
    assert f"refused, being corrupt or unreadable: {mine / 'one.gz'}" in text
    assert f"refused, being corrupt or unreadable: {the_cache() / 'one.gz'}" in text
    assert (the_cache() / "one.gz").read_bytes() == b"quarter"


def test_good_copy_further_on_is_enough(files: RemoteFiles, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mine = write(tmp_path / "mine", one=b"half")
    write(the_cache())
    assert locate(files, mine)["one.gz"] == the_cache() / "one.gz"
    assert len(warnings_of(caplog)) == 1


def test_unreadable_file_is_refused(files: RemoteFiles, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mine = tmp_path / "mine"
    (mine / "one.gz").mkdir(parents=True)  # a directory: unreadable as a file for root too
    write(the_cache())
    assert locate(files, mine)["one.gz"] == the_cache() / "one.gz"
    assert warnings_of(caplog) == [f"{mine / 'one.gz'} cannot be read (Is a directory); it is not used"]


def test_cache_that_cannot_be_written(
    files: RemoteFiles, tmp_path: Path, serve: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"NotADirectoryError|FileExistsError"):
        locate(from_mirrors(files, serve(write(tmp_path / "mirror")).url))


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ConnectionError])
def test_interrupted_download_leaves_nothing(
    files: RemoteFiles, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]
) -> None:
    import pooch

    def half(self: object, url: str, output_file: str, pooch: object) -> None:
        assert Path(output_file).parent == the_cache()
        Path(output_file).write_bytes(CONTENT["one.gz"][:50])
        raise interruption

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", half)
    with pytest.raises(KeyboardInterrupt if interruption is KeyboardInterrupt else DataError):
        locate(files)
    assert list(the_cache().iterdir()) == []


def test_interruption_keeps_the_old_files(files: RemoteFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    import pooch

    def interrupted(self: object, url: str, output_file: str, pooch: object) -> None:
        raise KeyboardInterrupt

    write(the_cache(), one=b"half")
    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        locate(files)
    assert {path.name: path.read_bytes() for path in the_cache().iterdir()} == {**CONTENT, "one.gz": b"half"}


def test_pooch_says_nothing_of_its_own(
    files: RemoteFiles,
    tmp_path: Path,
    serve: Callable[[Path], Any],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import pooch

    said: list[str] = []
    listener = logging.Handler()
    monkeypatch.setattr(listener, "emit", lambda record: said.append(record.getMessage()))
    monkeypatch.setattr(pooch.get_logger(), "handlers", [listener])
    pooch.get_logger().setLevel(logging.INFO)
    locate(from_mirrors(files, serve(write(tmp_path / "mirror")).url))
    assert said == []
    assert "100%" in capfd.readouterr().err  # the progress bar
