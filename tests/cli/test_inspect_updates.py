"""``fedlens inspect-updates`` as it is called: what it prints, writes and refuses, and its exit codes."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.calling import called
from safetensors.numpy import save_file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three rounds of ten clients, of which client 7 sends eight times its update from round 2 on."""
    monkeypatch.chdir(tmp_path)
    draws = np.random.default_rng(0)
    for round_ in (1, 2, 3):
        place = tmp_path / f"updates/round-{round_:05d}"
        place.mkdir(parents=True)
        for client in range(10):
            factor = 8 if client == 7 and round_ > 1 else 1
            count = 10**6 if (client, round_) == (2, 3) else 250
            arrays = {"w": (factor * draws.normal(0, 0.1, (30, 20))).astype(np.float32)}
            facts = {"kind": "update", "examples": str(count)}
            save_file(arrays, place / f"client-{client}.safetensors", metadata=facts)
    return Path("updates")


def test_it_says_who_stands_out_and_writes_a_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = called(capsys, "inspect-updates", folder)
    assert code == 0
    words = " ".join(printed.split())
    assert "3 rounds of 10 clients, models of 600 parameters, put to distances and statistics." in words
    assert "The check distances flagged 2 of 30 updates: client 7 in rounds 2, 3." in words
    assert "Client 2 claims 1,000,000 samples, 100 % of all in round 3" in words
    assert re.search(r"^ 7 +3 +2 +2 +0 +\d\.\d\d", printed, re.MULTILINE)
    page = Path("inspections/updates/report.html").read_text()
    assert "Check “distances”" in page
    assert "How many samples clients claim" in page
    assert called(capsys, "report", "inspections/updates", "--output", "again.html")[0] == 0
    assert Path("again.html").read_text() == page


def test_what_is_malformed_is_named_and_the_code_is_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_file({"w": np.full((30, 20), np.nan, np.float32)}, folder / "round-00002/client-x<b>.safetensors")
    save_file({"v": np.zeros(3, np.float32)}, folder / "round-00002/client-y.safetensors")
    code, printed, _ = called(capsys, "inspect-updates", folder, "--kind", "update")
    assert code == 1
    assert "entry 0 of w is NaN" in printed
    assert "'w' is missing" in printed
    assert "2 of 32 updates cannot be compared" in printed
    assert "x<b>" not in Path("inspections/updates/report.html").read_text()


def test_a_sketch_names_nobody(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "round-00001/client-3.safetensors").rename(folder / "round-00001/client-Rome.safetensors")
    code, printed, _ = called(capsys, "inspect-updates", folder, "--sketch", "--out", "sketch")
    assert code == 0
    assert "Rome" not in printed
    assert all(b"Rome" not in file.read_bytes() for file in Path("sketch").iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: No such file or directory; name the folder in which updates are logged"),
        (["updates", "--check", "distanes"], "did you mean distances?"),
        (["updates", "--check", "accuracy"], "accuracy needs a validation set"),
        (["updates", "--check", "{name: distances, margin: 7}"], "margin"),
        (["updates", "--check", "{name: "], "--check"),
        (["updates", "--check", "mine:Check"], "mine"),
        (["updates", "--out", "updates/round-00001/client-1.safetensors"], "choose another --out"),
    ],
)
def test_a_mistake_ends_with_2(
    folder: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert folder.is_dir()
    code, printed, complaint = called(capsys, "inspect-updates", *arguments)
    assert (code, printed) == (2, "")
    assert words in " ".join(complaint.split())
    assert "Traceback" not in complaint
