"""The CRC-32 of each file that a checkpoint relies on, so that a run goes on with what was written and nothing else.

They are computed from the bytes as they are written, and kept in the checkpoint itself: of the records up to its round,
of what stages keep of each client, of tables, predictions and weights by round, and of the best weights. A summary has
checksums of its own, but only of a complete run.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from zlib import crc32

from fedlens.core.errors import DamagedRunError
from fedlens.core.files import write_atomically
from fedlens.core.regular import regular

RECORDS = "rounds.jsonl"
ANEW = "start the run anew with another --out"

Sums = Mapping[str, int]
"""The CRC-32 of files, by their paths in the run's directory."""


class Vouched:
    """The sums of the files that a single process writes into a run's directory.

    Attributes:
        sums: what they are so far.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self.sums: dict[str, int] = {RECORDS: crc32(b"")}

    def write(self, file: Path, content: bytes) -> None:
        """Replace `file` by `content`.

        Raises:
            RunError: it cannot be written.
        """
        write_atomically(file, content)
        self.sums[self._name(file)] = crc32(content)

    def extend(self, name: str, content: bytes) -> None:
        """Take note of what has been added to the file `name`."""
        self.sums[name] = crc32(content, self.sums[name])

    def keep(self, folder: Path, files: Collection[Path]) -> None:
        """Leave out what is in `folder`, but for these `files`."""
        kept, prefix = set(map(self._name, files)), f"{self._name(folder)}/"
        self.sums = {name: value for name, value in self.sums.items() if name in kept or not name.startswith(prefix)}

    def resume(self, sums: Sums) -> None:
        """Go on from a checkpoint's sums; one from before there were any has none, not even of the records."""
        file = self._run / RECORDS
        self.sums = {RECORDS: crc32(file.read_bytes() if file.exists() else b""), **sums}

    def _name(self, file: Path) -> str:
        return file.relative_to(self._run).as_posix()


def require_as_written(run: Path, sums: Sums, rounds: int) -> None:
    """Check the files that a checkpoint relies on; of the records, those of the first `rounds`.

    Raises:
        DamagedRunError: one is missing, or is not as it was written; the message names it.
    """
    for name, expected in sums.items():
        try:
            content = regular(run / name, None).read_bytes()
        except OSError as error:
            raise DamagedRunError(f"{run / name}: is missing or cannot be read ({error}); {ANEW}") from error
        if name == RECORDS:
            content = b"".join(content.splitlines(keepends=True)[:rounds])
        if crc32(content) != expected:
            raise DamagedRunError(f"{run / name}: damaged (its checksum is not the one in the checkpoint); {ANEW}")
