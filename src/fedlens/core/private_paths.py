"""Paths without the folders that say who works where: runs and reports are passed on, and home directories have names.

A path beneath the working directory is written as it is seen from there. Of a module, what is beneath a folder of
Python's search path is kept, and of anything else only the last name: ``…/census.csv``.
"""

import re
import sys
from pathlib import Path

ELSEWHERE = "…/"
"""Stands for the folders that are left out."""

_HOME = "/~"
_COMPONENT = r"[^/\s'\"`:,;()<>|=\[\]{}]+"
_PATH = re.compile(
    rf"(?P<before>^|(?<=://)|(?<=[^\w./…~-]))(?:/~(?:/{_COMPONENT})*|(?:/{_COMPONENT}){{2,}})", re.MULTILINE
)
_QUOTED = re.compile(r"(?P<quote>['\"])/[^'\"\n]*/(?P<name>[^'\"/\n]+)(?P=quote)")


def without_folders(text: str) -> str:
    """Return a text in which each absolute path is as the module says."""
    for folder in _folders(Path.cwd()):
        text = re.sub(rf"(?<![\w.…~/-]){re.escape(folder)}/", "", text)
    for entry in sorted({str(Path(entry).absolute()) for entry in sys.path if entry}, key=len, reverse=True):
        if entry != "/":
            text = text.replace(f"{entry}/", ELSEWHERE)
    for folder in _folders(Path.home()):
        text = re.sub(rf"{re.escape(folder)}(?![\w.-])", _HOME, text)
    text = _QUOTED.sub(rf"\g<quote>{ELSEWHERE}\g<name>\g<quote>", text)
    return _PATH.sub(_shortened, text)


def word_without_folders(word: str) -> str:
    """Return a word of a command likewise; in all of it, or behind an equals sign or colon, is a path, with spaces."""
    before, path = re.fullmatch(r"(?s)([^/]*?(?:=|:/{2,3}|:(?!//))(?=/))?(.*)", word).groups("")  # type: ignore[union-attr]
    return before + shown_path(Path(path)) if path.startswith("/") else without_folders(word)


def shown_path(path: Path) -> str:
    """Return a path as a page or a file may show it; a relative one stays as it is."""
    if not path.is_absolute():
        return str(path)
    for folder in _folders(Path.cwd()):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return "~" if str(path) in _folders(Path.home()) else f"{ELSEWHERE}{path.name}"


def near_path(path: Path) -> Path:
    """Return a path as it is seen from the working directory, if it lies beneath."""
    shown = shown_path(path)
    return path if shown.startswith(ELSEWHERE) else Path(shown)


def _folders(folder: Path) -> list[str]:
    """Return a folder's paths, with and without links, of which no text is shortened by a root."""
    return [str(path) for path in dict.fromkeys((folder, folder.resolve())) if path != path.parent]


def _shortened(match: re.Match[str]) -> str:
    path = match[0]
    return "~" if path == _HOME else ELSEWHERE + path.rpartition("/")[2]
