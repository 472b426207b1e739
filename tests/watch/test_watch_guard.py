"""Who may look at the pages of `fedlens watch`, and what is listed."""

import json
import shutil
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from small import small

pytest.importorskip("starlette")

from starlette.testclient import TestClient

from fedlens.watch.app import watch_app
from fedlens.watch.changes import state_of
from fedlens.watch.run_list import directories, list_runs
from fedlens.watch.serving import serve

PORT = 8123
AT = f"http://127.0.0.1:{PORT}"
EVIL = "<script>alert(1)</script>"


def record(round_: int, confidence: float = 0.75) -> str:
    target = {"confidence": [confidence], "true_confidence": [0.1], "predicted": [1], "met": 1, "success": True}
    quality = {"accuracy": 0.5, "loss": 1.0, "per_class": [0.5]}
    made = {"round": round_, "cohort": [0, 1, 2, 3], "attacker": False, "shares": None, "checks": {}, "rejected": []}
    made |= {"skipped": None, "quality": quality, "target": target, "malicious": None, "attack": None, "control": None}
    return json.dumps(made) + "\n"


def made(path: Path, rounds: int, **changes: object) -> Path:
    path.mkdir(parents=True)
    (path / "experiment.yaml").write_text(yaml.safe_dump(small(**changes).describe()))
    (path / "rounds.jsonl").write_text("".join(map(record, range(1, rounds + 1))))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made(tmp_path / "runs" / "one", 2, seed=7)
    made(tmp_path / "runs" / "sweep" / "cells" / "abc", 3)
    return tmp_path / "runs"


@pytest.fixture
def client(folder: Path) -> TestClient:
    """A browser that was given the address with the token."""
    found = TestClient(watch_app(folder, None, "secret", PORT), base_url=AT)
    answer = found.get("/?token=secret", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    return found


@pytest.mark.parametrize("path", ["/", "/report?run=one", "/events", "/nowhere"])
@pytest.mark.parametrize("token", ["", "other", "SECRET", "é"])
def test_nothing_is_told_without_the_token(folder: Path, path: str, token: str) -> None:
    stranger = TestClient(watch_app(folder, None, "secret", PORT), base_url=AT)
    join = "&" if "?" in path else "?"
    for address in (path, f"{path}{join}token={token}"):
        answer = stranger.get(address, follow_redirects=False)
        assert answer.status_code == 403
        assert "one" not in answer.text.replace("another one", "")
    stranger.cookies.set(f"fedlens-token-{PORT}", "other")
    assert stranger.get(path).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Origin": f"http://localhost:{PORT}"},
        {"Host": "evil.test"},
        {"Host": f"evil.test:{PORT}"},
        {"Host": "127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/report?run=one", "/events", "/?token=secret"])
def test_no_other_page_may_look_in(client: TestClient, headers: dict[str, str], path: str) -> None:
    answer = client.get(path, headers=headers, follow_redirects=False)
    assert answer.status_code == 403
    assert answer.text.startswith("Refused: ")


def test_the_pages_own_requests_are_answered(client: TestClient) -> None:
    answer = client.get("/", headers={"Origin": AT, "Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert client.post("/").status_code == 405


def test_the_list_has_every_run_and_how_far_it_is(client: TestClient, folder: Path) -> None:
    (one, other) = sorted(list_runs(folder), key=lambda run: run.name)
    assert (one.name, one.seed, one.rounds_done, one.rounds, one.finished) == ("one", 7, 2, 3, False)
    assert (one.accuracy, one.confidence, one.attack) == (0.5, 0.75, "explicit-boosting")
    assert (other.name, other.rounds_done) == ("sweep/cells/abc", 3)
    page = client.get("/").text
    assert "2 of 3" in page
    assert 'value="sweep/cells/abc"' in page
    (folder / "one" / "summary.json").write_text("{}")
    assert "2 of 3 ✓" in client.get("/").text


def test_what_is_half_written_or_deleted_is_survived(client: TestClient, folder: Path) -> None:
    with (folder / "one" / "rounds.jsonl").open("a") as file:
        file.write(record(3)[:40])
    assert {run.name: run.rounds_done for run in list_runs(folder)}["one"] == 2
    (folder / "new").mkdir()
    (folder / "new" / "experiment.yaml").write_text("name: [")
    troubles = {run.name: run.trouble for run in list_runs(folder)}
    assert "experiment.yaml" in troubles["new"]
    assert client.get("/").status_code == 200
    assert "has no rounds yet" in client.get("/report", params={"run": _empty(folder)}).text
    shutil.rmtree(folder / "one")
    answer = client.get("/report?run=one")
    assert answer.status_code == 404
    assert "None of these runs is there any more" in answer.text


def _empty(folder: Path) -> str:
    made(folder / "empty", 0)
    return "empty"


def test_a_browser_may_come_as_soon_as_the_address_is_told(folder: Path) -> None:
    class Told(Exception):  # noqa: N818 - it ends the server
        pass

    def ready(address: str) -> None:
        socket.create_connection(("127.0.0.1", urlsplit(address).port or 0)).close()
        raise Told

    with pytest.raises(Told):
        serve(folder, None, 0, ready)


def test_only_runs_below_the_folder_are_shown(client: TestClient, folder: Path) -> None:
    made(folder.parent / "outside", 1)
    for name in ("../outside", str(folder.parent / "outside"), "%2e%2e/outside"):
        assert client.get("/report", params={"run": name}).status_code == 404


def test_names_are_escaped(client: TestClient, folder: Path) -> None:
    made(folder / EVIL.replace("/", "∕"), 1)
    page = client.get("/").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_the_state_changes_with_what_is_recorded(folder: Path) -> None:
    runs = directories(folder)
    before = state_of(runs)
    assert state_of(runs) == before
    with (folder / "one" / "rounds.jsonl").open("a") as file:
        file.write(record(3))
    assert state_of(runs) != before
