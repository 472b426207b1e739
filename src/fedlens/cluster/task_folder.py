"""Temporary folders of tasks, which are removed with them.

A killed process leaves its folder behind, with whole runs in it, on a machine that the user may never see. So a folder
stays locked while a task works in it, and whoever creates another one removes those that nobody has locked.
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
"""A file in each of these folders; the name differs from an ordinary run's ``.lock``, whose folder must not go."""


@contextmanager
def task_folder() -> Iterator[Path]:
    """Create a temporary folder for the block, and remove those that killed processes have left."""
    _remove_abandoned()
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with FileLock(folder / "new"):
            (folder / "new").rename(folder / LOCK)  # locked before anybody can see the lock
            yield folder


def _remove_abandoned() -> None:
    """Remove this user's folders that no process has locked."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, Timeout):  # gone meanwhile, or in use
            if _is_ours(folder) and (folder / LOCK).exists():
                with FileLock(folder / LOCK, timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Tell whether it is a directory of this user's, and not a link to one."""
    status = folder.lstat()
    return S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
