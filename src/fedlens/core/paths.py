"""Where fedlens keeps what it can fetch or compute again, and what it must remember.

Computed results are trusted when they are read again, so they lie in folders that only this user can write into.
Downloaded files need none: each is checked against its digest.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path, user_state_path

from fedlens.core.errors import RunError

REMEDY = "let FEDLENS_CACHE name a directory of your own for the cache, which can be written"


def cache_dir() -> Path:
    """Return the cache: ``FEDLENS_CACHE`` if set, else the platform's folder for a user's caches; it need not exist."""
    return _chosen("FEDLENS_CACHE") or user_cache_path("fedlens")


def state_dir() -> Path:
    """Return the state: ``FEDLENS_STATE`` if set, else the platform's folder for an application's state."""
    return _chosen("FEDLENS_STATE") or user_state_path("fedlens")


def _chosen(variable: str) -> Path | None:
    folder = os.environ.get(variable)
    return Path(folder).expanduser() if folder else None


def append_state(name: str, line: str) -> None:
    """Add a line to a file of the state; if that cannot be done, it is not remembered."""
    with suppress(OSError):
        folder = state_dir()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.write(line.encode() + b"\n")


def read_state(name: str) -> list[str]:
    """Read the lines of a file of the state; none if there is no such file, or others could have written it."""
    try:
        with (state_dir() / name).open("rb") as file:
            status = os.fstat(file.fileno())
            theirs = status.st_uid != os.geteuid() or status.st_mode & 0o022
            return [] if theirs else file.read().decode().splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def private_cache(name: str) -> Path:
    """Return a folder of the cache whose contents are trusted when read again; make it if need be, for this user alone.

    Raises:
        RunError: it cannot be made, or others could have written into it.
    """
    root = cache_dir()
    folder = root / name
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in (root, folder):
            if path.stat().st_mode & 0o022 and is_users(path) and (path == folder or "FEDLENS_CACHE" not in os.environ):
                path.chmod(0o700)  # made under a umask that lets a group write
            _require_private(path)
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}; {REMEDY}") from error
    return folder


def is_users(path: Path) -> bool:
    """Tell whether a file or folder belongs to this user."""
    return path.stat().st_uid == os.geteuid()


def _require_private(folder: Path) -> None:
    status = folder.stat()
    theirs = status.st_uid not in {os.geteuid(), 0}
    if theirs or (status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX):
        why = "belongs to another user" if theirs else "can be written by others"
        raise RunError(f"{folder} {why}, so what is found there cannot be believed; chmod go-w it, or {REMEDY}")
