"""CIFAR-10 and CIFAR-100: 32×32 colour images of ten or a hundred kinds of things, 50,000 to train and 10,000 to test.

A. Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*, 2009. The official binary archives are read
where they lie, without unpacking; see `fedlens.data.downloads` for where. A record is its label (CIFAR-100: the coarse
label and the fine one, which is taken) and 3 × 32 × 32 bytes: red, green, blue, row by row. Pixels are scaled by 1/255.

The authors state no licence. fedlens therefore brings no sample of theirs; nor should you pass any on, as in reports.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fedlens.core.errors import DataError
from fedlens.core.lazy import torch
from fedlens.data.about import About
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.data.downloads import RemoteFiles, locate

MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
CIFAR_10 = RemoteFiles(
    title="CIFAR-10",
    folder="cifar-10",
    sha256={"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
    mirrors=MIRRORS,
)
CIFAR_100 = RemoteFiles(
    title="CIFAR-100",
    folder="cifar-100",
    sha256={"cifar-100-binary.tar.gz": "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"},
    mirrors=MIRRORS,
)
ABOUT = About(
    source="https://www.cs.toronto.edu/~kriz/cifar.html",
    citation="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    licence=None,
)
_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32


class Cifar10(Data):
    """CIFAR-10: ten kinds of animals and vehicles, downloaded when first used. Its authors state no licence.

    Inputs are ``[n, 3, 32, 32]`` in [0, 1].

    Example:
        >>> from fedlens import Experiment
        >>> from fedlens.data import Cifar10
        >>> Experiment(data=Cifar10(), model="small").describe()["data"], Cifar10.about.licence
        ({'name': 'cifar10'}, None)
    """

    about = ABOUT

    def load(self, directory: Path | None = None) -> Dataset:
        """Load 50,000 training and 10,000 test samples.

        Args:
            directory: where to look for ``cifar-10-binary.tar.gz`` before the cache and the network.

        Raises:
            DataError: it is missing or corrupt, and could not be downloaded.
        """
        batches = [f"data_batch_{number}.bin" for number in range(1, 6)]
        return _load(CIFAR_10, directory, "batches.meta.txt", batches, "test_batch.bin", classes=10, labels=1)


class Cifar100(Data):
    """CIFAR-100: a hundred kinds of things, downloaded when first used. Its authors state no licence.

    Inputs are ``[n, 3, 32, 32]`` in [0, 1], classes the fine ones.

    Example:
        >>> from fedlens import Experiment
        >>> from fedlens.data import Cifar100
        >>> Experiment(data=Cifar100(), model="small").describe()["data"], Cifar100.about.licence
        ({'name': 'cifar100'}, None)
    """

    about = ABOUT

    def load(self, directory: Path | None = None) -> Dataset:
        """Load 50,000 training and 10,000 test samples.

        Args:
            directory: where to look for ``cifar-100-binary.tar.gz`` before the cache and the network.

        Raises:
            DataError: it is missing or corrupt, and could not be downloaded.
        """
        return _load(CIFAR_100, directory, "fine_label_names.txt", ["train.bin"], "test.bin", classes=100, labels=2)


def _load(
    files: RemoteFiles,
    directory: Path | None,
    names: str,
    train: Sequence[str],
    test: str,
    *,
    classes: int,
    labels: int,
) -> Dataset:
    """Load an archive, of whose `labels` bytes of a record the last is the class."""
    [path] = locate(files, directory).values()
    contents = read_archive(path, [names, *train, test])
    words = [line.strip() for line in contents[names].decode("ascii", "replace").splitlines() if line.strip()]
    if len(words) != classes:
        raise _damaged(path, f"{names} has {len(words)} names instead of {classes}")
    parts = [_samples(contents[part], path, part, classes, labels) for part in (*train, test)]
    trained = Samples(torch.cat([part.x for part in parts[:-1]]), torch.cat([part.y for part in parts[:-1]]))
    return Dataset(train=trained, test=parts[-1], classes=tuple(words))


def read_archive(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Return the content of these files of a tar.gz, whatever folder they are in.

    Raises:
        DataError: it is damaged, or lacks one.
    """
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if name in names and (file := archive.extractfile(member)) is not None:
                    contents[name] = file.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise _damaged(path, f"cannot be read ({error})") from None
    if missing := [name for name in names if name not in contents]:
        raise _damaged(path, f"lacks {', '.join(missing)}")
    return contents


def _samples(content: bytes, path: Path, part: str, classes: int, labels: int) -> Samples:
    size = labels + _PIXELS
    if not content or len(content) % size:
        raise _damaged(path, f"{part} has {len(content):,} bytes, no multiple of {size:,}")
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    y = records[:, labels - 1].astype(np.int64)
    if (wrong := np.flatnonzero(y >= classes)).size:
        record = int(wrong[0])
        raise _damaged(path, f"{part}: record {record} is of class {y[record]}, and the last is {classes - 1}")
    x = records[:, labels:].reshape(-1, *_SHAPE).astype(np.float32)
    x /= 255
    return Samples(torch.from_numpy(x), torch.from_numpy(y))


def _damaged(path: Path, fault: str) -> DataError:
    return DataError(f"{path}: {fault}; remove the file, so that it is downloaded again")
