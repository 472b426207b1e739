"""Files that do not ship with the package: found in the user's directory or the cache, or fetched into the cache.

A file counts only if its sha256 is right. One that is corrupt or truncated is named in a warning and not used. In the
cache the fetched copy replaces it; in the user's own directory, which may be read-only, it is left as it is. A file is
downloaded under a temporary name and renamed once its digest is right, so an interruption leaves no half of one.
"""

import hashlib
import logging
import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedlens.core.errors import DataError
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
    """Paths of intact copies of all `files`, by name; those that are nowhere on this machine are downloaded.

    Each is looked for in the user's directory (`directory`, or else ``FEDLENS_DATA``), there first in the folder of the
    data set, and then in the cache.

    Raises:
        DataError: the user's directory does not exist, or a file is neither here nor to be had.
    """
    cache = cache_dir() / "data" / files.folder
    user = _user_directory(directory)
    places = [cache] if user is None else [user / files.folder, user, cache]
    refused: list[Path] = []
    found: dict[str, Path] = {}
    for name in files.sha256:
        if (path := _find(name, files.sha256[name], places, refused)) is not None:
            found[name] = path
    missing = [name for name in files.sha256 if name not in found]
    for position, name in enumerate(missing):
        if reasons := _download(files, name, cache):
            raise DataError(_advice(files, missing[position:], refused, reasons, cache))
        found[name] = cache / name
    return found


def named_directory(directory: Path | None = None) -> Path | None:
    """Where the user keeps data files: `directory`, or else what ``FEDLENS_DATA`` names; ``None`` if nothing does."""
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


def _find(name: str, digest: str, places: Sequence[Path], refused: list[Path]) -> Path | None:
    """The first good copy; those that are no good are warned of and added to `refused`."""
    for place in places:
        path = place / name
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
        with path.open("rb") as stream:
            actual = hashlib.file_digest(stream, "sha256").hexdigest()
            size = stream.tell()
    except FileNotFoundError:
        raise
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if actual == digest else f"is corrupt or truncated ({size:,} bytes, sha256 differs)"


def _download(files: RemoteFiles, name: str, cache: Path) -> list[str]:
    """Fetch a file into the cache.

    Returns:
        Why each mirror failed; nothing once the file is there.
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
    if getattr(error, "response", error) is None:  # an error of requests; its text then is the innards of the library
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
