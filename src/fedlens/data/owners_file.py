"""A partition that a file prescribes: which client has which sample.

A CSV file has a row for each sample that is dealt, with the number of the sample, from 0 in the order of the training
samples, and that of its client: ``sample,client`` is its first line. A JSON file has a list for each client, of the
numbers of its samples.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import override

from fedlens.core.errors import DataError, shortened
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.dataset import Dataset
from fedlens.data.groups import Groups
from fedlens.data.partition import Partition, Shards
from fedlens.data.user_files import locate, recorded_path

if TYPE_CHECKING:
    from torch import Tensor

HEADER = ["sample", "client"]
NOBODY = "nobody"


class OwnersFile(Partition):
    """Client i has the samples that a file says; samples that it does not name are dealt to nobody.

    Attributes:
        path: of the CSV or JSON file, relative to that of the experiment, the data directory or the working directory.

    Example:
        >>> import json, pathlib
        >>> from fedlens import Experiment
        >>> _ = pathlib.Path("owners.json").write_text(json.dumps([list(range(0, 700)), list(range(700, 1000))]))
        >>> Experiment(data="digits", clients=2, partition={"name": "owners-file", "path": "owners.json"}).clients
        2
    """

    path: str = Field(examples=["owners.csv"])

    @field_validator("path", mode="after")
    @classmethod
    def _recorded(cls, value: str, info: ValidationInfo) -> str:
        """Record the path as `recorded_path` has it."""
        if Path(value).suffix not in {".csv", ".json"}:
            raise ValueError(
                f"{shortened(value)} is neither a .csv nor a .json file; e.g. -o partition.path=owners.csv"
            )
        return recorded_path(value, info.context, "partition")

    @override
    def owned(self, dataset: Dataset, clients: int, directory: Path | None = None) -> Dataset:
        path = locate(self.path, directory, kind="partition")
        of = np.full(len(dataset.train), clients, dtype=np.int64)
        for place, sample, client in _pairs(path):
            if not 0 <= sample < len(of):
                _refuse(path, place, f"there is no sample {sample}: they are 0 to {len(of) - 1}")
            if not 0 <= client < clients:
                remedy = f"; e.g. -o clients={client + 1}" if client >= 0 else ""
                _refuse(path, place, f"there is no client {client}: they are 0 to {clients - 1}{remedy}")
            if of[sample] != clients:
                _refuse(path, place, f"sample {sample} is client {of[sample]}'s already; deal each once")
            of[sample] = client
        names = (*map(str, range(clients)), NOBODY)
        return dataset.with_groups(Groups(names, torch.from_numpy(of)))

    @override
    def deal(self, labels: Tensor, groups: Groups | None, clients: int, address: Address) -> Shards:
        assert groups is not None
        return Shards.of_owners(groups.of, clients)


def _pairs(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield where a sample is dealt in the file, its number and its client's."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name}: cannot be read ({error})") from None
    if path.suffix == ".json":
        yield from _of_lists(path, text)
        return
    rows = csv.reader(text.splitlines())
    if (first := [cell.strip() for cell in next(rows, [])]) != HEADER:
        _refuse(path, "line 1", f"is {shortened(','.join(first))}; {','.join(HEADER)} is right")
    for row in rows:
        place = f"line {rows.line_num}"
        if row:
            if len(row) != len(HEADER) or not all(cell.strip().isdecimal() for cell in row):
                _refuse(path, place, f"is {shortened(','.join(row))}; two whole numbers are right, e.g. 0,3")
            yield place, int(row[0]), int(row[1])


def _of_lists(path: Path, text: str) -> Iterator[tuple[str, int, int]]:
    try:
        lists = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path.name}: is no JSON ({error})") from None
    if not isinstance(lists, list):
        _refuse(path, "it", "is no list; a list for each client is right, as in [[0, 2], [1]]")
    for client, samples in enumerate(lists):
        if not isinstance(samples, list) or not all(type(sample) is int for sample in samples):
            _refuse(path, f"client {client}", f"has {shortened(samples)}; a list of the numbers of samples is right")
        for sample in samples:
            yield f"client {client}", sample, client


def _refuse(path: Path, place: str, fault: str) -> NoReturn:
    raise DataError(f"{path.name}: {place}: {fault}")
