"""A folder for an errand to work in, which goes with it.

A process that is killed leaves its folder behind, with whole runs in it, on a machine that the user may never see. So a
folder is locked for as long as somebody works there, and whoever makes another one removes those that nobody holds.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR

from filelock import FileLock, Timeout

PREFIX = "fedlens-errand-"
LOCK = "errand.lock"
"""Lies in each; an ordinary run's ``.lock`` tells of no folder that may be removed."""


@contextmanager
def workshop() -> Iterator[Path]:
    """A new folder among the machine's temporary files, which is removed afterwards, as are those left by the dead."""
    _clear_away()
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with FileLock(folder / "new"):
            (folder / "new").rename(folder / LOCK)  # so that whoever finds it finds it locked
            yield folder


def _clear_away() -> None:
    """Remove this user's folders that no process holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, Timeout):  # gone meanwhile, or in use
            if _is_ours(folder) and (folder / LOCK).exists():
                with FileLock(folder / LOCK, timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Whether it is a directory of this user's, and no link to one."""
    status = folder.lstat()
    return S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
