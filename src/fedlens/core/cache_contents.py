"""What is in the cache, how large it is, and how to clear it.

Everything there can be computed or fetched again. Only what fedlens itself has put there is counted and removed, should
``FEDLENS_CACHE`` name a folder with other files.
"""

import re
import shutil
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from fedlens.core.files import writing
from fedlens.core.paths import cache_dir


@dataclass(frozen=True)
class Kind:
    """One kind of cache content.

    Attributes:
        name: what to call it.
        about: what it is.
        folder: where it is, below the cache.
        pattern: what the names of its files or folders are like, relative to that.
    """

    name: str
    about: str
    folder: str
    pattern: str

    def items(self) -> list[Path]:
        """Return the files and folders of this kind."""
        folder = cache_dir() / self.folder
        paths = sorted(folder.rglob("*")) if folder.is_dir() else []
        return [path for path in paths if re.fullmatch(self.pattern, path.relative_to(folder).as_posix())]


KINDS = (
    Kind(
        "controls",
        "benign twins and placebos, each shared by all attacks on an experiment",
        "controls",
        r"[0-9a-f]{24}",
    ),
    Kind("openings", "honest updates of first rounds, which fedlens 0.1 kept", "openings", r"[0-9a-f]{24}"),
    Kind("data", "downloaded data files", "data", r"(fashion-mnist|cifar-100?)/[\w.-]+\.gz"),
    Kind("prepared", "preprocessed data", "prepared", r"[\w-]+-[0-9a-f]{24}\.safetensors"),
)


def size(path: Path) -> int:
    """Return the number of bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def clear(kind: Kind) -> list[int]:
    """Remove all of a kind, but for controls that are being made.

    Returns:
        Of each that was removed, how many bytes it had.

    Raises:
        RunError: something cannot be removed.
    """
    removed = []
    for path in kind.items():
        with writing(path, "let FEDLENS_CACHE name a cache that you may write"), suppress(Timeout), _held(path):
            had = size(path)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            removed.append(had)
    return removed


def _held(path: Path) -> AbstractContextManager[object]:
    """Keep others from writing a control meanwhile."""
    return FileLock(f"{path}.lock", timeout=0) if path.is_dir() else nullcontext()
