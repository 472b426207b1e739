"""``fedlens report`` on the command line."""

from pathlib import Path

import pytest
from helpers.calling import called

import fedlens

pytestmark = pytest.mark.xdist_group("html")


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `fedlens report ...`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "300")
        return called(capsys, "report", *arguments)


def test_it_writes_the_file_and_opens_it(
    full: fedlens.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    file = tmp_path / "deep" / "mine.html"
    code, out, _ = call(capsys, str(full.path), "--output", str(file), "--open")
    assert code == 0
    assert f"Report: {file} (" in out
    assert opened == [file.as_uri()]
    assert file.read_text().startswith("<!DOCTYPE html>")


def test_mistakes_are_answered_in_a_line(full: fedlens.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    for arguments, said in (
        ([str(tmp_path / "nowhere")], "no run is there"),
        ([str(full.path), "--output", str(tmp_path / "file" / "r.html")], "cannot write"),
        ([str(full.path), "--output", str(tmp_path)], "cannot write"),
    ):
        code, _, err = call(capsys, *arguments)
        assert code == 2
        assert said in err
        assert len(err.strip().splitlines()) == 1
