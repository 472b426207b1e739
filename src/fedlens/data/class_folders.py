"""Folders as classes: which files are samples of which class, for training and for testing."""

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fedlens.core.errors import DataError, cut, shortened
from fedlens.core.given import is_word
from fedlens.data.remark import remark
from fedlens.data.user_files import set_option

TRAIN, TESTS = "train", ("test", "val", "valid", "validation")
"""Names of folders that hold a part of the data, and not a class."""

_LITTER = {"thumbs.db", "desktop.ini", "icon\r"}
LONGEST_NAME = 200


@dataclass(frozen=True)
class ClassFolders:
    """The files of each class.

    Attributes:
        classes: their names, in order: by number if they are numbers.
        train: a file of each sample, with the number of its class; all samples, if `test` is ``None``.
        test: likewise; ``None`` where they have no folder of their own.
    """

    classes: tuple[str, ...]
    train: list[tuple[Path, int]]
    test: list[tuple[Path, int]] | None


def class_folders(root: Path, apart: bool | None) -> ClassFolders:
    """List the files of every class.

    Hidden files and folders, whose names begin with a full stop, are left out, and those that file managers leave.

    Args:
        root: the folder of folders.
        apart: whether test samples have a folder of their own; ``None`` to see whether they do.

    Raises:
        DataError: there are not two classes, or one has no file; the message says what to do.
    """
    names = {entry.name for entry in _entries(root) if entry.is_dir()}
    tests = [name for name in TESTS if name in names]
    split = TRAIN in names and bool(tests)
    if apart and not split:
        whole = set_option("test", 0.2)
        raise DataError(
            f"{_shown(root)}: has no folders train and test; make them, or let test samples be drawn: {whole}"
        )
    if not split:
        files = _of_classes(root)
        classes = _in_order(files, root)
        return ClassFolders(classes, _numbered(files, classes), None)
    if apart is False:
        raise DataError(
            f"{_shown(root)}: has folders train and {tests[0]}, so that no test samples need be drawn; take them: "
            f"{set_option('test', 'folder')}"
        )
    if others := names - {TRAIN, tests[0]}:
        remark(f"{_shown(root)}: {TRAIN} and {tests[0]} are read, and not {cut(', '.join(sorted(others)), 200)}")
    train, test = _of_classes(root / TRAIN), _of_classes(root / tests[0])
    classes = _in_order(train, root / TRAIN)
    if strange := sorted(test.keys() - train.keys()):
        folder = root / tests[0] / strange[0]
        raise DataError(
            f"{_shown(folder)}: there is no such class in {TRAIN}; give it training samples, or hide it: "
            f"{_hide(folder)}"
        )
    return ClassFolders(classes, _numbered(train, classes), _numbered(test, classes))


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder and counts, in the order of names.

    Raises:
        DataError: it cannot be listed.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{_shown(folder)}: cannot be listed ({error.strerror}); make it readable for you") from None
    return [entry for entry in entries if not entry.name.startswith(".") and entry.name.lower() not in _LITTER]


def _of_classes(root: Path) -> dict[str, list[Path]]:
    """Return the files of each class, by its name: all in its folder and what is beneath.

    Raises:
        DataError: a class has no file, a name is impossible, or there are files without a class.
    """
    loose = [entry for entry in _entries(root) if not entry.is_dir()]
    folders = [entry for entry in _entries(root) if entry.is_dir()]
    if not folders:
        example = shlex.quote(str(root / "CLASS"))
        raise DataError(f"{_shown(root)}: has no folders; put the images of each class into one: mkdir {example}")
    if loose:
        remark(f"{_shown(root)}: {len(loose):,} files are in no class's folder and left out, such as {loose[0].name!r}")
    found = {}
    for folder in folders:
        if not is_word(folder.name) or len(folder.name.splitlines()) != 1 or len(folder.name) > LONGEST_NAME:
            fault = f"{shortened(folder.name)} is no name of a class"
            raise DataError(f"{_shown(root)}: {fault}; rename the folder: it needs a name in UTF-8, on one line")
        files = [Path(where) / name for where, below, names in os.walk(folder, onerror=_unlisted)
                 for name in _seen(below, names)]  # fmt: skip
        if not files:
            raise DataError(
                f"{_shown(folder)}: is a class without an image; put some into it, or hide it: {_hide(folder)}"
            )
        found[folder.name] = sorted(files)
    return found


def _seen(below: list[str], names: list[str]) -> list[str]:
    """Return the names that count; leave hidden folders out of the walk."""
    below[:] = [name for name in below if not name.startswith(".")]
    return [name for name in names if not name.startswith(".") and name.lower() not in _LITTER]


def _unlisted(error: OSError) -> None:
    raise DataError(f"{cut(str(error.filename), 400)}: cannot be listed ({error.strerror}); make it readable for you")


def _in_order(found: dict[str, list[Path]], root: Path) -> tuple[str, ...]:
    """Return the names of the classes in order.

    Raises:
        DataError: there is only one.
    """
    names = sorted(found)
    if len(names) < 2:
        raise DataError(
            f"{_shown(root)}: has one class, {shortened(names[0])}; name the folder that holds the classes' folders: "
            f"{set_option('path', 'FOLDER')}"
        )
    if all(name.isdecimal() for name in names):
        names.sort(key=int)
    return tuple(names)


def _numbered(found: dict[str, list[Path]], classes: Iterable[str]) -> list[tuple[Path, int]]:
    return [(file, number) for number, name in enumerate(classes) for file in found.get(name, ())]


def _shown(path: Path) -> str:
    return cut(str(path), 400)


def _hide(folder: Path) -> str:
    """Return the command that hides a folder."""
    return f"mv {shlex.quote(str(folder))} {shlex.quote(str(folder.with_name('.' + folder.name)))}"
