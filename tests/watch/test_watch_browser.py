"""`fedlens watch` in a real browser: a run is followed while it is made."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers.waiting import PATIENCE, eventually
from small import small

import fedlens

pytest.importorskip("uvicorn")

import uvicorn

from fedlens.watch.app import watch_app

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.xdist_group("html")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("watched") / "run"
    fedlens.run(small(rounds=4, checks=("statistics",)), path, engine="serial")
    return path


@pytest.fixture
def folder(tmp_path: Path, finished: Path) -> Path:
    """A run after its second round, and another that is complete."""
    shutil.copytree(finished, tmp_path / "live")
    shutil.copytree(finished, tmp_path / "done")
    (tmp_path / "live" / "summary.json").unlink()
    cut(tmp_path / "live", finished, 2)
    return tmp_path


def cut(path: Path, finished: Path, rounds: int) -> None:
    """As it is after so many rounds."""
    lines = (finished / "rounds.jsonl").read_bytes().splitlines(keepends=True)
    (path / "rounds.jsonl").write_bytes(b"".join(lines[:rounds]))


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    import socket

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    config = uvicorn.Config(watch_app(folder, None, "secret", port), log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert eventually(lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(PATIENCE)
    listening.close()


def test_a_run_is_followed_and_runs_are_compared(
    browser: "Browser", address: str, folder: Path, finished: Path
) -> None:
    context = browser.new_context()
    context.set_default_timeout(1000 * PATIENCE)
    page = context.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on(
        "request", lambda asked: troubles.extend([asked.url] * (not asked.url.startswith((address, "data:", "blob:"))))
    )
    page.goto(f"{address}/?token=secret")
    assert "token" not in page.url
    page.get_by_role("link", name="live").click()
    page.wait_for_selector("html[data-drawn=true]")
    assert eventually(lambda: page.locator("#live").inner_text() == "Following.")
    count = "document.querySelector('figure[data-chart=metrics] .plot')._fullData[1].x.length"
    assert page.evaluate(count) == 2
    box = page.locator("figure[data-chart=metrics] .legend input").first
    box.uncheck()
    cut(folder / "live", finished, 3)
    assert eventually(lambda: page.evaluate(count) == 3)
    assert not page.locator("figure[data-chart=metrics] .legend input").first.is_checked()
    shutil.rmtree(folder / "live")
    assert eventually(lambda: "None of these runs" in page.locator("main").inner_text())
    assert all("404" in trouble for trouble in troubles), troubles
    troubles.clear()
    shutil.copytree(finished, folder / "live")
    page.wait_for_selector("figure[data-chart=metrics]")
    page.get_by_role("link", name="fedlens watch").click()
    for name in ("done", "live"):
        page.get_by_label(f"Compare {name}").check()
    page.get_by_role("button", name="Compare selected").click()
    page.wait_for_selector("html[data-drawn=true]")
    assert "2 runs" in page.locator("h1").inner_text()
    assert troubles == []
    context.close()


def test_the_list_of_runs_fits_a_phone(browser: "Browser", address: str, folder: Path) -> None:
    (folder / "live" / "experiment.yaml").rename(folder / "live" / "gone")
    (folder / "live" / "experiment.yaml").write_text("no experiment")
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(f"{address}/?token=secret")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    cells = page.locator("table.runs tbody td")
    assert cells.count() == 8 + 3
    assert all(box["x"] + box["width"] <= 360 for box in [cell.bounding_box() for cell in cells.all()] if box)
    assert "cannot be read" in page.locator(".trouble").inner_text()
    label = "getComputedStyle(document.querySelector('[data-label=accuracy]'), '::before').content"
    assert page.evaluate(label).startswith('"accuracy')
    page.get_by_label("Compare done").check()
    context.close()
