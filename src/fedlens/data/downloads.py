"""Files that do not ship with the package: located in the user's directory or the cache, or downloaded to the cache.

A file is used only if its sha256 is right; a warning names one that is corrupt or truncated. In the cache the download
replaces it; in the user's own directory, which may be read-only, it stays. A file is downloaded under a temporary name
and renamed once its digest is right, so an interruption leaves no partial file.
"""

import logging
import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedlens.core.errors import DataError
from fedlens.core.files import checksum
from fedlens.core.paths import cache_dir

_log = logging.getLogger("fedlens")


@dataclass(frozen=True)
class RemoteFiles:
    """The files of a data set: how to recognise them and where to get them.

    Attributes:
        title: the data set's name, for messages.
        folder: name of the directory that holds the files.
        sha256: hexadecimal digest of each file, by file name.
        mirrors: addresses to which a file name is appended, in the order in which to try them.
    """

    title: str
    folder: str
    sha256: Mapping[str, str]
    mirrors: tuple[str, ...]


def locate(files: RemoteFiles, directory: Path | None = None) -> dict[str, Path]:
    """Return paths of intact copies of all `files`, by name; download those that are not on this machine.

    Each is looked for in the data set's folder in the user's directory (`directory`, or else ``FEDLENS_DATA``), then in
    that directory itself, then in the cache.

    Raises:
        DataError: the user's directory does not exist, or a file can be neither located nor downloaded.
    """
    cache = cache_dir() / "data" / files.folder
    user = _user_directory(directory)
    folders = [cache] if user is None else [user / files.folder, user, cache]
    refused: list[Path] = []
    paths: dict[str, Path] = {}
    for name in files.sha256:
        if (path := _find(name, files.sha256[name], folders, refused)) is not None:
            paths[name] = path
    missing = [name for name in files.sha256 if name not in paths]
    for position, name in enumerate(missing):
        if reasons := _download(files, name, cache):
            raise DataError(_advice(files, missing[position:], refused, reasons, cache))
        paths[name] = cache / name
    return paths


def named_directory(directory: Path | None = None) -> Path | None:
    """Return the user's data directory: `directory`, or else what ``FEDLENS_DATA`` names; ``None`` if nothing does."""
    named = os.environ.get("FEDLENS_DATA")
    return Path(named).expanduser() if directory is None and named else directory


def _user_directory(directory: Path | None) -> Path | None:
    origin = "FEDLENS_DATA" if directory is None else "--data-dir"
    if (directory := named_directory(directory)) is None:
        return None
    directory = directory.expanduser()
    if not directory.is_dir():
        remedy = "leave it out" if origin == "--data-dir" else f"unset {origin}"
        raise DataError(f"data directory {directory} ({origin}): there is no such directory; name another, or {remedy}")
    return directory


def _find(name: str, digest: str, folders: Sequence[Path], refused: list[Path]) -> Path | None:
    """Return the first intact copy; warn of the others and add them to `refused`."""
    for folder in folders:
        path = folder / name
        try:
            fault = _fault(path, digest)
        except FileNotFoundError:
            continue
        if fault is None:
            return path
        refused.append(path)
        _log.warning("%s %s; it is not used", path, fault)
    return None


def _fault(path: Path, digest: str) -> str | None:
    try:
        actual, size = checksum(path), path.stat().st_size
    except FileNotFoundError:
        raise
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if actual == digest else f"is corrupt or truncated ({size:,} bytes, sha256 differs)"


def _download(files: RemoteFiles, name: str, cache: Path) -> list[str]:
    """Fetch a file into the cache.

    Returns:
        Why each mirror failed; empty if the download succeeded.
    """
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    reasons: list[str] = []
    for mirror in files.mirrors:
        try:
            pooch.retrieve(
                mirror + name, known_hash=f"sha256:{files.sha256[name]}", fname=name, path=cache, progressbar=True
            )
        except (OSError, ValueError) as error:  # failures of requests are OSErrors, a wrong digest is a ValueError
            reasons.append(f"{mirror}{name}: {_reason(error)}")
        else:
            _log.info("%s: %s is now in %s", files.title, name, cache)
            return []
    return reasons


def _reason(error: OSError | ValueError) -> str:
    if getattr(error, "response", error) is None:  # an error of requests; its text would be internals of the library
        return f"no answer ({type(error).__name__})"
    return textwrap.shorten(f"{type(error).__name__}: {error}", 160)


def _advice(
    files: RemoteFiles, missing: Sequence[str], refused: Sequence[Path], reasons: Sequence[str], cache: Path
) -> str:
    lines = [f"{files.title}: not found and not to be downloaded: {', '.join(missing)}"]
    lines += [f"  refused, being corrupt or unreadable: {path}" for path in refused if path.name in missing]
    lines += [f"  tried {reason}" for reason in reasons]
    lines += [
        f"remedy: put {', '.join(files.sha256)} into {cache},",
        "or into a directory of yours that --data-dir or the environment variable FEDLENS_DATA names",
    ]
    return "\n".join(lines)
