"""How `fedlens watch` serves: one look for all pages, on this host, from this folder, to whoever is quick enough."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

import uvicorn
from helpers.waiting import PATIENCE, eventually
from starlette.testclient import TestClient
from test_watch_guard import AT, PORT, made, record

from fedlens.watch import timeouts
from fedlens.watch.app import watch_app
from fedlens.watch.changes import State, Watcher, state_of
from fedlens.watch.run_list import directories


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one", "two", "three"):
        made(tmp_path / "runs" / name, 1)
    return tmp_path / "runs"


def test_one_look_serves_all_pages(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedlens.watch.changes.EVERY", 0.05)
    looks, over = 0, False
    changed = "event: change\ndata: \n\n"

    def look() -> State:
        nonlocal looks
        looks += 1
        return state_of(directories(folder))

    async def gone() -> bool:
        return over

    async def until(condition: Callable[[], bool]) -> None:
        assert await asyncio.to_thread(eventually, condition)

    async def follow(watcher: Watcher, wanted: list[str], heard: list[str]) -> None:
        async for event in watcher.events(wanted, gone):
            heard.append(event)  # noqa: PERF401 - others look at it meanwhile

    async def everybody() -> tuple[list[str], ...]:
        nonlocal over
        watcher = Watcher(look)
        heard: tuple[list[str], ...] = ([], [], [], [])
        wanted: list[list[str]] = [[], ["one"], ["two"], ["one", "three"]]
        work = [asyncio.create_task(follow(watcher, *pair)) for pair in zip(wanted, heard, strict=True)]
        await until(lambda: all(heard))  # they have begun
        with (folder / "one/rounds.jsonl").open("a") as file:
            file.write(record(2))
        await until(lambda: all(changed in heard[place] for place in (0, 1, 3)))
        soon = looks + 20  # time enough to hear of it twice
        await until(lambda: looks >= soon)
        over = True
        await asyncio.gather(*work)
        before = looks
        await asyncio.sleep(0.5)
        assert looks <= before + 1  # nobody listens any more
        return heard

    began = time.monotonic()
    with ThreadPoolExecutor(1) as thread:  # in this one, a browser may have a loop running
        everyone, one, two, both = thread.submit(asyncio.run, everybody()).result()
    assert (everyone.count(changed), one.count(changed), two.count(changed), both.count(changed)) == (1, 1, 0, 1)
    assert looks <= (time.monotonic() - began) / 0.05 + 1  # four pages that looked for themselves: four times as often


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("//evil.test/?token=secret", "/"),
        ("//evil.test?token=secret", "/"),
        ("/%5Cevil.test/?token=secret", "/"),
        ("/http://evil.test/?token=secret", "/"),
        ("/report?run=one&run=two&token=secret", "/report?run=one&run=two"),
        ("/?token=secret", "/"),
        ("/events?token=secret", "/"),
        ("/report/?token=secret", "/"),
    ],
)
def test_redirects_stay_here(folder: Path, address: str, place: str) -> None:
    client = TestClient(watch_app(folder, None, "secret", PORT), base_url=AT)
    answer = client.get(f"{AT}{address}", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == place


@pytest.mark.parametrize("address", ["/report/", "//", "//evil.test/", "/events/"])
def test_there_are_no_other_redirects(folder: Path, address: str) -> None:
    client = TestClient(watch_app(folder, None, "secret", PORT), base_url=AT)
    client.get("/?token=secret")
    assert client.get(f"{AT}{address}", follow_redirects=False).status_code == 404


def test_links_that_lead_out_are_not_followed(folder: Path) -> None:
    outside = made(folder.parent / "outside", 1)
    made(folder / "partly", 1)
    (folder / "linked").symlink_to(outside)
    (folder / "sweep").symlink_to(folder.parent)
    (folder / "partly/rounds.jsonl").unlink()
    (folder / "partly/rounds.jsonl").symlink_to(outside / "rounds.jsonl")
    made(folder / "pictured", 1)
    (folder / "pictured/explanations").symlink_to(outside)
    made(folder / "one-picture", 1)
    (folder / "one-picture/explanations").mkdir()
    (folder / "one-picture/explanations/a.png").symlink_to(outside / "rounds.jsonl")
    (folder / "inside").symlink_to(folder / "one")
    assert set(directories(folder)) == {"one", "two", "three", "inside"}
    (folder.parent / "view").symlink_to(folder)
    assert set(directories(folder.parent / "view")) == {"one", "two", "three", "inside"}


@pytest.fixture
def address(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """A server that has little patience."""
    monkeypatch.setattr(timeouts, "REQUEST_TIMEOUT", 1.0)
    monkeypatch.setattr(timeouts, "WRITE_TIMEOUT", 1.0)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        app = watch_app(folder, None, "secret", port)
        server = uvicorn.Server(uvicorn.Config(app, http=timeouts.TimeoutProtocol, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield "127.0.0.1", port
        server.should_exit = server.force_exit = True
        thread.join()


def read_to_the_end(connection: socket.socket) -> bytes:
    connection.settimeout(PATIENCE)
    found = b""
    try:
        while part := connection.recv(2**16):
            found += part
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nA: b"])
def test_who_does_not_finish_asking_is_dropped(address: tuple[str, int], begun: bytes) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(begun)
        assert read_to_the_end(connection) == b""


def test_and_who_asks_a_letter_at_a_time(address: tuple[str, int]) -> None:
    request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{address[1]}\r\n".encode() + b"A: " + b"b" * 1000
    sent = 0
    with socket.create_connection(address) as connection, suppress(OSError):  # reset, or a broken pipe
        for letter in request:
            connection.sendall(bytes([letter]))
            sent += 1
            time.sleep(0.1)
    assert sent < len(request)


def test_who_asks_is_answered(address: tuple[str, int]) -> None:
    host = f"Host: 127.0.0.1:{address[1]}\r\n"
    with socket.create_connection(address) as connection:
        for last in (False, True):
            close = "Connection: close\r\n" if last else ""
            connection.sendall(f"GET /?token=secret HTTP/1.1\r\n{host}{close}\r\n".encode())
            if not last:
                assert connection.recv(2**16).startswith(b"HTTP/1.1 303")
                time.sleep(0.3)
        assert read_to_the_end(connection).startswith(b"HTTP/1.1 303")


def test_who_follows_for_long_is_not_dropped(address: tuple[str, int]) -> None:
    cookie = f"Cookie: fedlens-token-{address[1]}=secret\r\n"
    with socket.create_connection(address) as connection:
        connection.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{address[1]}\r\n{cookie}\r\n".encode())
        time.sleep(3)
        connection.settimeout(PATIENCE)
        assert connection.recv(2**16).startswith(b"HTTP/1.1 200")
        connection.settimeout(1)
        parts = [b"x"]
        with suppress(TimeoutError):
            while parts[-1]:
                parts.append(connection.recv(2**16))
        assert parts[-1]  # it was not closed
