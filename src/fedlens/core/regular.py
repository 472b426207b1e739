"""Files in a directory that anybody may have made: none is opened that is a pipe or a device, for these have no end."""

from pathlib import Path
from stat import S_ISREG

from fedlens.core.errors import DamagedRunError

ANEW = "get the run anew, or make it again into another --out"
LARGEST = 2**30
"""So many bytes a file has at most that is read whole: as many as records of thousands of rounds and clients."""


def regular(path: Path, most: int | None = LARGEST) -> Path:
    """The `path`, once it is known that a file is there which can be opened and read to its end.

    Args:
        path: which.
        most: so many bytes it has at most; ``None`` for any number, where it is not read whole.

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
