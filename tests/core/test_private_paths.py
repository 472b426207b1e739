"""Paths in what is passed on."""

import sys
from pathlib import Path

import pytest

from fedlens.core.private_paths import shown_path, without_folders, word_without_folders


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a working directory and a folder of modules in it, whose names have a space."""
    home = tmp_path / "alice b"
    (home / "work").mkdir(parents=True)
    (home / "lib").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home / "work")
    monkeypatch.setattr(sys, "path", [str(home / "lib"), ""])
    return home


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{home}/work/runs/a: damaged", "runs/a: damaged"),
        ('File "{home}/work/mine.py", line 3', 'File "mine.py", line 3'),
        ('File "{home}/lib/pack/module.py", line 3', 'File "…/pack/module.py", line 3'),
        ('File "/opt/x y/z.py", line 3', 'File "…/z.py", line 3'),
        ("read {home}/data/a.csv, {home}/b.csv", "read …/a.csv, …/b.csv"),
        ("{home}: is a folder", "~: is a folder"),
        ("(/opt/deep/er/mine.py:21)", "(…/mine.py:21)"),
        ("--data-dir=/mnt/data/own", "--data-dir=…/own"),
        ("sqlite:////mnt/mlflow.db file:///mnt/a/b", "sqlite:////mnt/mlflow.db file://…/b"),
        ("https://host/a/b and/or 1/2 runs/a/b ../a/b", "https://host/a/b and/or 1/2 runs/a/b ../a/b"),
        ("a rate / a ratio", "a rate / a ratio"),
    ],
)
def test_a_text_shows_no_folder(folders: Path, text: str, expected: str) -> None:
    assert without_folders(text.format(home=folders)) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("{home}/my data", "…/my data"),
        ("{home}", "~"),
        ("{home}/work/my runs/a", "my runs/a"),
        ("data.path={home}/my data/a.csv", "data.path=…/a.csv"),
        ("mlflow:sqlite:///{home}/my flow.db", "mlflow:sqlite:///…/my flow.db"),
        ("attack.boost=2", "attack.boost=2"),
        ("runs/a", "runs/a"),
        ("https://host/a/b", "https://host/a/b"),
    ],
)
def test_a_word_of_a_command_shows_no_folder(folders: Path, word: str, expected: str) -> None:
    assert word_without_folders(word.format(home=folders)) == expected


def test_a_path_is_shown_from_the_working_directory(folders: Path) -> None:
    assert shown_path(folders / "work/runs/a") == "runs/a"
    assert shown_path(folders / "other/a") == "…/a"
    assert shown_path(Path("../other/a")) == "../other/a"
