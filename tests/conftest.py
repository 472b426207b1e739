"""What every test gets: its own cache, the data beside the repository, one thread."""

import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import torch
from helpers.explained import Explained
from hypothesis import settings

from fedlens.data.remark import remark

if TYPE_CHECKING:
    from playwright.sync_api import Browser

settings.register_profile("explore", deadline=None)  # the first call of a torch function takes long
settings.register_profile("fedlens", settings.get_profile("explore"), derandomize=True)
settings.load_profile("fedlens")


def pytest_configure() -> None:
    """Let Ray clusters of the tests ask for a token of their own; Ray takes note of that when it is first used.

    And let a test say how wide its terminal is: xdist's workers say 80, which the command line would keep to. And heed
    Ctrl-C even where the suite was started with it ignored, as shells start what they put into the background.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.pop("COLUMNS", None)
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


_BESIDE = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data_directory() -> Path | None:
    """Where this machine has data files: what FEDLENS_DATA named at the start, or ../shared/data, or nothing."""
    if named := os.environ.get("FEDLENS_DATA"):
        return Path(named)
    return _BESIDE if _BESIDE.is_dir() else None


@pytest.fixture(scope="session")
def fashion_directory(data_directory: Path | None) -> Path:
    """The directory with the four files of Fashion-MNIST; a test that needs it is skipped where there is none."""
    for folder in [data_directory / "fashion-mnist", data_directory] if data_directory else []:
        if (folder / "train-images-idx3-ubyte.gz").exists():
            return folder
    pytest.skip("needs the files of Fashion-MNIST: name their directory by FEDLENS_DATA")


@pytest.fixture(autouse=True, scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the tests begin is remembered in a folder of theirs."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FEDLENS_STATE", str(folder))
        yield folder


@pytest.fixture(autouse=True, scope="session")
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tests and what they start have temporary files of their own, so that they find nothing which is left of others.

    Ray's stay where they are: the names of its sockets, which may have about 100 characters, are long as it is.
    """
    folder = tmp_path_factory.mktemp("t", numbered=False)
    with pytest.MonkeyPatch.context() as environment:
        if sys.platform == "linux":
            environment.setenv("RAY_TMPDIR", os.environ.get("RAY_TMPDIR", tempfile.gettempdir()))
        environment.setenv("TMPDIR", str(folder))
        environment.setattr(tempfile, "tempdir", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def directories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_directory: Path | None) -> None:
    """No test touches the user's cache, all find the data, and what another was told of them is told again."""
    remark.cache_clear()
    monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / "fedlens-cache"))
    if data_directory is not None:
        monkeypatch.setenv("FEDLENS_DATA", str(data_directory))


@pytest.fixture(autouse=True)
def imports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """What a test imports from its own directory is forgotten afterwards, and so is the directory."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Training jobs run with one thread each; the tests too, so that results and times are comparable."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Explained:
    """Runs to be explained, made once."""
    return Explained(tmp_path_factory.mktemp("explained"))


@pytest.fixture
def beside(explained: Explained, directories: None, monkeypatch: pytest.MonkeyPatch) -> Explained:
    """These runs, in a test that has their twins in its cache."""
    monkeypatch.setenv("FEDLENS_CACHE", str(explained.cache))
    return explained


@pytest.fixture(scope="session")
def machines() -> Iterator[Any]:
    """A real Ray cluster on this machine: a node of two CPUs, and whatever a test adds. Its address is `address`."""
    from ray.cluster_utils import Cluster

    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    logging.getLogger("ray").setLevel(logging.ERROR)
    head = {"num_cpus": 2, "gcs_server_port": port, "include_dashboard": False}
    found = Cluster(initialize_head=True, head_node_args=head)
    yield found
    found.shutdown()


class Mirror:
    """A web server on this machine that counts what it is asked for."""

    def __init__(self, directory: Path) -> None:
        self.requested: list[str] = []
        mirror = self

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
                pass

            def do_GET(self) -> None:
                mirror.requested.append(self.path.removeprefix("/"))
                super().do_GET()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(directory)))
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Mirror]]:
    """Starts a web server for a directory; all are stopped at the end."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    mirrors: list[Mirror] = []

    def start(directory: Path) -> Mirror:
        mirrors.append(Mirror(directory))
        return mirrors[-1]

    yield start
    for mirror in mirrors:
        mirror.close()


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """The Chromium that FEDLENS_CHROMIUM names, else one on PATH; without any the test is skipped."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("FEDLENS_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("needs a Chromium: name it by FEDLENS_CHROMIUM")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path)
        yield found
        found.close()
