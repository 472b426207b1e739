"""The runs of a reproduction without their weights: small enough to be published with its page.

``records/SCALE-seed-S-target-T.tar.xz`` has, for each complete run of a seed and a target, the files that claims are
judged by and, if its updates are drawn, the data of the histograms. ``SCALE-seed-S-benign.tar.xz`` has those of the
seed's runs without attack and, at the paper's scale, their predictions, so that no twin need be made again. Missing
cells are restored from these. So anyone can judge, and resume, a directory that has only its records.
"""

import io
import lzma
import re
import tarfile
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from fedlens.analysis.run_results import Run
from fedlens.core.errors import DamagedRunError, shortened
from fedlens.core.files import write_atomically
from fedlens.experiment.presets import Scale
from fedlens.runs.folder import lay_out

FOLDER = "records"
KEPT = ("experiment.yaml", "environment.jsonl", "target.json", "rounds.jsonl", "timings.jsonl", "summary.json")
DRAWN = "checks"
PREDICTED = "predictions"
LARGEST = 2**28
"""The most bytes that an archive may have; one of all panels has a hundredth of them."""
_CELL = re.compile("[0-9a-z]+")
_NAME = re.compile(r"[a-z0-9][a-z0-9.]*")


def keep(folder: Path, scale: Scale, runs: Iterable[Run], drawn: Collection[Path] = ()) -> None:
    """Write the records of all complete runs at a scale into ``folder/records``; equal runs give equal bytes.

    Existing records of other runs stay, since the cells of these may be damaged or gone.

    Args:
        folder: the reproduction's directory.
        scale: of these runs; records of other scales stay as they are.
        runs: the runs to save.
        drawn: directories of those runs whose tables are saved, too.

    Raises:
        DamagedRunError: existing records cannot be read.
        RunError: records cannot be written.
    """
    by_archive: dict[str, list[Path]] = {}
    for run in runs:
        by_archive.setdefault(_archive(scale, run), []).append(run.path)
    for name, paths in by_archive.items():
        (folder / FOLDER).mkdir(exist_ok=True)
        archive = folder / FOLDER / name
        before = dict(_unpacked(archive)) if archive.exists() else {}
        cells = {path.name for path in paths}
        files = {name: content for name, content in before.items() if name.partition("/")[0] not in cells}
        for path in paths:
            folders = [PREDICTED] * (scale != "quick") + [DRAWN] * (path in drawn)
            files |= {f"{path.name}/{name}": content for name, content in _files(path, folders)}
        if files != before:
            write_atomically(archive, _packed(sorted(files.items())))


def _archive(scale: Scale, run: Run) -> str:
    """Return the name of the archive for a run's records."""
    experiment = run.experiment
    group = "benign" if experiment.attack is None else f"target-{experiment.target.draw}"
    return f"{scale}-seed-{experiment.seed}-{group}.tar.xz"


def restore(folder: Path) -> int:
    """Restore the runs in ``folder/records`` that are missing in ``folder/cells``; return their number.

    Raises:
        DamagedRunError: records cannot be read.
        RunError: runs cannot be written.
    """
    missing: dict[str, dict[str, bytes]] = {}
    for file in sorted((folder / FOLDER).glob("*.tar.xz")):
        for name, content in _unpacked(file):
            cell, _, inside = name.partition("/")
            if not (folder / "cells" / cell).exists():
                missing.setdefault(cell, {})[inside] = content
    for cell, files in missing.items():
        lay_out(files, folder / "cells" / cell)
    return len(missing)


def _files(path: Path, folders: Iterable[str]) -> Iterable[tuple[str, bytes]]:
    """Return names and contents of a run's files to save, including those in `folders`."""
    files = [file for name in KEPT if (file := path / name).exists()]
    for folder in folders:
        files += (path / folder).glob("*.safetensors")
    return ((file.relative_to(path).as_posix(), file.read_bytes()) for file in files)


def _packed(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return an archive whose bytes depend only on these names and contents."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _unpacked(file: Path) -> Iterable[tuple[str, bytes]]:
    """Yield names and contents of the archive's files, each of which belongs to a cell.

    Raises:
        DamagedRunError: the archive cannot be read, or has other files.
    """
    try:
        content = _decompressed(file.read_bytes())  # all of it first, as its checksum is at its end
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                cell, *inside = PurePosixPath(member.name).parts or ("",)
                expected = inside in [[name] for name in KEPT] or (len(inside) == 2 and inside[0] in {DRAWN, PREDICTED})
                opened = archive.extractfile(member) if member.isfile() else None
                if opened is None or not expected or not _CELL.fullmatch(cell) or not _NAME.fullmatch(inside[-1]):
                    raise DamagedRunError(f"{file}: {shortened(member.name)} is no file of a run; get the archive anew")
                yield f"{cell}/{'/'.join(inside)}", opened.read()
    except (OSError, EOFError, ValueError, tarfile.TarError, lzma.LZMAError) as error:
        raise DamagedRunError(f"{file}: damaged ({error}); get it anew, or delete it to run its cells again") from error


def _decompressed(content: bytes) -> bytes:
    """Decompress the content of an xz file, which may be a bomb.

    Raises:
        ValueError: it would be larger than `LARGEST`.
        EOFError: it is incomplete.
        LZMAError: it is damaged.
    """
    decompressor = lzma.LZMADecompressor(memlimit=LARGEST)
    decompressed = decompressor.decompress(content, max_length=LARGEST + 1)
    if len(decompressed) > LARGEST:
        raise ValueError(f"it has more than {LARGEST / 1e6:.0f} MB")
    if not decompressor.eof:
        raise EOFError("it ends too early")
    return decompressed
