"""Writing files so that a reader, or a machine that fails, never finds half of one."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from filelock import FileLock, Timeout

from fedlens.core.errors import RunError
from fedlens.core.regular import regular

_RESUMING: ContextVar[str] = ContextVar("resuming", default="the command with --resume")


def resuming() -> str:
    """Say what to do where a run or a sweep has stopped halfway."""
    return f"fix it, then repeat {_RESUMING.get()}. Recorded rounds are kept"


@contextmanager
def in_a_sweep() -> Iterator[None]:
    """Let `resuming` say what to do about a sweep, which needs no option to go on."""
    before = _RESUMING.set("the same command")
    try:
        yield
    finally:
        _RESUMING.reset(before)


@contextmanager
def writing(path: Path, remedy: str = "") -> Iterator[None]:
    """Turn the system's refusal to write at `path` into an error that says what to do, by default `resuming`.

    Raises:
        RunError: in place of any `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}; {remedy or resuming()}") from error


def lock(path: Path, what: str, name: str = ".lock") -> FileLock:
    """Make the directory `path` and keep other processes from writing into it, until the lock is released.

    Args:
        path: the directory.
        what: is written into it.
        name: of the file that is locked, by which those are kept apart that may write at the same time.

    Raises:
        RunError: it cannot be written, or another process writes this `what` into it.
    """
    file_lock = FileLock(path / name)
    with writing(path, "choose another --out"):
        path.mkdir(parents=True, exist_ok=True)
        try:
            file_lock.acquire(timeout=0)
        except Timeout:
            raise RunError(f"{path}: another process is writing this {what}; wait for it") from None
    return file_lock


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content` at once.

    Raises:
        RunError: the file cannot be written; the old one is as it was.
    """
    with writing(path):
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with temporary.open("xb") as file:  # who may read it, the user's umask says
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def append_bytes(path: Path, content: bytes) -> None:
    """Add `content` to `path` and see that it reaches the disk.

    Raises:
        RunError: the file cannot be written.
    """
    with writing(path):
        if path.exists():
            regular(path, None)
        with path.open("ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def checksum(path: Path) -> str:
    """Return the file's sha256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
