"""FEMNIST: 28×28 grey images of handwritten digits and letters, by writer, from the files that LEAF makes.

S. Caldas, S. Duddu, P. Wu, T. Li, J. Konečný, H. B. McMahan, V. Smith and A. Talwalkar, *LEAF: A Benchmark for
Federated Settings*, 2018 (arXiv 1812.01097), from NIST Special Database 19. LEAF's ``preprocess.sh`` writes files of
JSON with ``users``, ``num_samples`` and ``user_data``, which has ``x`` (784 numbers in [0, 1], white paper is 1) and
``y`` (0 to 61) of every writer. They are read from the folder, or from its subfolders train and test if it has both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from fedlens.core.errors import DataError, cut, shortened
from fedlens.core.given import is_word
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.about import About
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.data.groups import Groups
from fedlens.data.stratified import test_mask
from fedlens.data.user_files import recorded_path, set_option
from fedlens.data.user_folders import locate_folder

CLASSES = (*"0123456789", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *"abcdefghijklmnopqrstuvwxyz")
_PIXELS = 28 * 28


class Femnist(Data):
    """FEMNIST: handwritten digits and letters, of which each training sample knows its writer.

    Inputs are ``[n, 1, 28, 28]`` in [0, 1]. The files are those that LEAF's ``preprocess.sh`` makes.

    Attributes:
        path: the folder with ``all_data_0.json`` and so on, or with the folders train and test; relative to the
            experiment's file, to the data directory or the working directory.
        test: share of each writer's samples that are test samples, where there is no folder test.

    Example:
        >>> import json
        >>> from pathlib import Path
        >>> from fedlens.data import Femnist
        >>> Path("femnist").mkdir()
        >>> ann = {"x": [[1.0] * 784] * 5, "y": [0, 1, 2, 10, 61]}
        >>> content = {"users": ["ann"], "num_samples": [5], "user_data": {"ann": ann}}
        >>> _ = Path("femnist/all_data_0.json").write_text(json.dumps(content))
        >>> dataset = Femnist().load()
        >>> len(dataset.train), len(dataset.test), dataset.groups.names, dataset.classes[61]
        (4, 1, ('ann',), 'z')
    """

    about = About(
        source="https://leaf.cmu.edu",
        citation="S. Caldas et al., LEAF: A Benchmark for Federated Settings, 2018, arXiv 1812.01097; NIST Special "
        "Database 19",
        licence="BSD 2-Clause (LEAF); public domain (NIST)",
    )

    path: str = "femnist"
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2

    @field_validator("path", mode="after")
    @classmethod
    def _recorded(cls, value: str, info: ValidationInfo) -> str:
        """Record the path as `recorded_path` has it."""
        return recorded_path(value, info.context)

    def load(self, directory: Path | None = None) -> Dataset:
        """Read the files.

        Args:
            directory: where the user keeps data files.

        Raises:
            DataError: they are missing or not as LEAF makes them; the message names file, writer and sample.
        """
        root = locate_folder(self.path, directory)
        if (root / "train").is_dir() and (root / "test").is_dir():
            train, groups = _together(_writers(root / "train"))
            test, _ = _together(_writers(root / "test"))
            return Dataset(train=train, test=test, classes=CLASSES, groups=groups)
        samples, groups = _together(_writers(root))
        chosen = torch.from_numpy(test_mask(groups.of.numpy(), self.test, Address.root(0).at("femnist", "test")))
        rest, apart = (~chosen).nonzero()[:, 0], chosen.nonzero()[:, 0]
        if not len(apart):
            raise DataError(f"{self.path}: every writer has one sample, so that none is left for testing; add files")
        return Dataset(train=samples.take(rest), test=samples.take(apart), classes=CLASSES, groups=groups.take(rest))


Writers = dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]]


def _writers(folder: Path) -> Writers:
    """Return the samples of each writer of the files in a folder."""
    files = sorted(file for file in folder.iterdir() if file.suffix == ".json" and not file.name.startswith("."))
    if not files:
        remedy = "name the folder in which LEAF's preprocess.sh has put all_data_0.json and so on"
        raise DataError(f"{cut(str(folder), 400)}: has no file of JSON; {remedy}: {set_option('path', 'FOLDER')}")
    found: Writers = {}
    for file in files:
        for name, samples in _of_file(file):
            if name in found:
                _refuse(file, f"writer {shortened(name)} is in another place, too")
            found[name] = samples
    return found


def _together(writers: Writers) -> tuple[Samples, Groups]:
    """Return all samples, and who wrote them; writers in the order of their names."""
    names = sorted(writers)
    x = np.concatenate([writers[name][0] for name in names]).reshape(-1, 1, 28, 28)
    y = np.concatenate([writers[name][1] for name in names])
    of = torch.arange(len(names)).repeat_interleave(torch.tensor([len(writers[name][1]) for name in names]))
    return Samples(torch.from_numpy(x), torch.from_numpy(y)), Groups(tuple(names), of)


def _of_file(file: Path) -> Iterator[tuple[str, tuple[NDArray[np.float32], NDArray[np.int64]]]]:
    """Return each writer's samples in a file: ``[n, 784]`` and ``[n]``.

    Raises:
        DataError: it is not as LEAF makes it.
    """
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        _refuse(file, f"cannot be read ({shortened(str(error), 200)})")
    users, counts, data = (_part(content, name, file) for name in ("users", "num_samples", "user_data"))
    if not isinstance(users, list) or not isinstance(counts, list) or len(users) != len(counts):
        _refuse(file, "users and num_samples are no lists of one length")
    if not users:
        _refuse(file, "has no users")
    for name, count in zip(users, counts, strict=True):
        if not is_word(name) or not name:
            _refuse(file, f"users: {shortened(name)} is no name")
        of_user = _part(data, name, file, "user_data")
        where = f"writer {shortened(name)}"
        pixels, labels = (_part(of_user, part, file, where) for part in ("x", "y"))
        yield name, (_inputs(pixels, count, file, where), _labels(labels, count, file, where))
    if (unnamed := next((name for name in data if name not in users), None)) is not None:
        _refuse(file, f"writer {shortened(unnamed)} is in user_data, but not in users")


def _part(content: Any, name: str, file: Path, where: str = "") -> Any:
    if not isinstance(content, dict) or name not in content:
        _refuse(file, f"{where + ' ' if where else ''}has no {shortened(name) if where == 'user_data' else name}")
    return content[name]


def _inputs(rows: Any, count: Any, file: Path, where: str) -> NDArray[np.float32]:
    if not isinstance(rows, list) or not rows or len(rows) != count:
        length = len(rows) if isinstance(rows, list) else 0
        _refuse(file, f"{where}: {length} samples in x, but num_samples says {shortened(count)}")
    x = np.empty((len(rows), _PIXELS), np.float32)
    for number, row in enumerate(rows):
        try:
            values = np.asarray(row)
        except ValueError:
            values = np.empty(0)
        if values.shape != (_PIXELS,) or values.dtype.kind not in "iuf":
            what = f"{values.size} values" if values.ndim == 1 else f"values of shape {list(values.shape)}"
            _refuse(file, f"{where}, sample {number}: x has {what}, not {_PIXELS} numbers")
        if not ((values >= 0) & (values <= 1)).all():
            _refuse(file, f"{where}, sample {number}: x has a value that is not between 0 and 1")
        x[number] = values
    return x


def _labels(labels: Any, count: Any, file: Path, where: str) -> NDArray[np.int64]:
    if not isinstance(labels, list) or len(labels) != count:
        length = len(labels) if isinstance(labels, list) else 0
        _refuse(file, f"{where}: {length} labels in y, but num_samples says {shortened(count)}")
    for number, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < len(CLASSES):
            _refuse(file, f"{where}, sample {number}: the label is {shortened(label)}, not 0 to {len(CLASSES) - 1}")
    return np.array(labels, np.int64)


def _refuse(file: Path, fault: str) -> NoReturn:
    raise DataError(f"{cut(str(file), 400)}: {fault}; let LEAF's preprocess.sh make it again, or remove the file")
