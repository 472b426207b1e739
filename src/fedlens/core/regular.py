"""Files in a directory that anybody may have made: none is opened that is a pipe or a device, for these have no end."""

from pathlib import Path
from stat import S_ISREG

from fedlens.core.errors import DamagedRunError

ANEW = "get the run anew, or make it again into another --out"
LARGEST = 2**30
"""The largest file that is read whole, in bytes: as large as records of thousands of rounds and clients."""


def regular(path: Path, most: int | None = LARGEST) -> Path:
    """Return `path` if it is a file that can be opened and read to its end.

    Args:
        path: which.
        most: the most bytes that it may have; ``None`` for any number, where it is not read whole.

    Raises:
        DamagedRunError: it is a pipe, a device, a folder, or larger.
        OSError: nothing is there.
    """
    status = path.stat()
    if not S_ISREG(status.st_mode):
        raise DamagedRunError(f"{path}: is no regular file; {ANEW}")
    if most is not None and status.st_size > most:
        raise DamagedRunError(f"{path}: has {status.st_size:,} bytes, where {most:,} are the most; {ANEW}")
    return path
