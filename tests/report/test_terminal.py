"""What is printed, whatever it says and wherever to."""

import os
import stat
import subprocess
import sys
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from helpers.calling import called
from helpers.waiting import PATIENCE
from rich.console import Console
from rich.progress import Progress
from small import small

import fedlens
from fedlens.core.files import write_atomically
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.report.terminal.printing import PlainConsole, PlainTable, visible
from fedlens.simulation.engines.processes import Processes

ODD = ["[red]", "[/]", "[/b]a", "a[b]c", "[link=x]y", "\x1b[31mred", "\x9b2J", "\u202eturned", "\x84index"]


class Odd(Data):
    """Classes with names that mean something to a terminal."""

    def load(self, directory: Path | None = None) -> Dataset:
        generator = torch.Generator().manual_seed(1)
        y = torch.arange(200) % len(ODD)
        x = torch.randn(200, 1, 8, 8, generator=generator) + y[:, None, None, None]
        return Dataset(Samples(x, y), Samples(x[:100], y[:100]), tuple(ODD))


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("odd") / "[bold]run[/x]"
    experiment = small(data=Odd(), rounds=2, target={"index": [0], "target": 5}, checks=["distances"])
    fedlens.run(experiment, path, engine="serial")
    return path


@pytest.mark.parametrize("arguments", [["show"], ["plot"], ["report"], ["compare"]], ids=" ".join)
def test_odd_names_are_printed_as_they_are(
    odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    code, printed, err = called(capsys, *arguments, odd)
    assert code == 0, err
    assert not any(letter in printed + err for letter in "\x1b\x9b\u202e\x84")
    if arguments == ["show"]:
        for name in ODD:
            assert visible(name) in printed
        assert "[bold]run[/x]" in printed


def test_an_error_says_what_was_odd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("[/nothing]", "\x1b[31mnothing"):
        code, _, err = called(capsys, "show", tmp_path / name)
        assert code == 2
        assert visible(name) in err
        assert "\x1b" not in err


def test_brackets_of_a_table_are_no_markup() -> None:
    text = StringIO()
    table = PlainTable("[red]head", title="[/title]")
    table.add_column("[/second]")
    table.add_row("[a]", "[/b]")
    Console(file=text, width=80).print(table)
    assert all(word in text.getvalue() for word in ("[red]head", "[/title]", "[/second]", "[a]", "[/b]"))


def test_control_characters_are_visible_and_colours_are_not() -> None:
    text = StringIO()
    console = PlainConsole(file=text, force_terminal=True, color_system="standard", highlight=False)
    console.print("\x1b[31mred\tand\nmore", style="bold", markup=False)
    assert "\\x1b[31mred" in text.getvalue()
    assert "\x1b[1m" in text.getvalue()
    assert visible("tab\tand line\n") == "tab\tand line\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_stream_that_cannot_hold_every_letter_ends_no_run(tmp_path: Path, encoding: str) -> None:
    experiment = small(attack={"name": "explicit-boosting", "step_cap": 5}, rounds=1)
    values = {**experiment.describe(), "data": "digits", "name": "größe"}
    (tmp_path / "größe.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    command = [sys.executable, "-c", "from fedlens.cli import main; main()"]
    run = subprocess.run(
        [*command, "run", "größe.yaml", "--engine", "serial"],
        cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert b"_m (assumed to be announced)" in run.stdout
    assert b"Traceback" not in run.stderr


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_the_modes_of_files_follow_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "file", b"content")
        fedlens.run(small(rounds=1), tmp_path / "run", keep_weights=True, engine="serial")
    finally:
        os.umask(before)
    files = [tmp_path / "file", *(file for file in (tmp_path / "run").rglob("*") if file.is_file())]
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in files if file.name != ".lock"}
    assert set(modes.values()) == {0o666 & ~umask}
    assert not list(tmp_path.rglob(".file.*"))


class Streams:
    """A job that says where a worker prints to."""

    name, cost = "streams", 1

    def run(self, bench: object) -> dict[str, str]:
        return {name: type(getattr(sys, name)).__name__ for name in ("stdout", "stderr")}


def test_what_a_worker_prints_does_not_draw_the_bar_anew() -> None:
    """In a worker, rich's bar is a copy that no longer moves."""
    with Progress(console=Console(file=StringIO(), force_terminal=True)):
        assert type(sys.stdout).__name__ == "FileProxy"
        with Processes(1) as engine:
            engine.start(SimpleNamespace(timeout=None))  # type: ignore[arg-type]
            (found,) = engine.run([Streams()], lambda _: None)  # type: ignore[list-item]
    assert "FileProxy" not in found.values()
