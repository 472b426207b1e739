"""A folder of logged updates: what a server sent and what came back, a folder a round, a file a client.

.. code-block:: text

    updates/
      round-00003/
        global.safetensors             what the server sent
        client-7.safetensors           what client 7 sent back; or client-7.npz
      examples.csv                     optional: round,client,examples

A safetensors file may say more in its header: ``examples``, on how many samples the client says that it trained;
``kind``, whether it sent ``weights`` (the default) or an ``update``, weights less those of the server; and ``client``,
where its name is none that a file can have. Any framework can write such files in three lines, and reading them
executes nothing: arrays of Python objects are refused.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args
from zipfile import BadZipFile, is_zipfile

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fedlens.bridges.wire.codec import Arrays, numbers
from fedlens.core.errors import DamagedRunError, RunError, cut, shortened
from fedlens.core.regular import regular

Sent = Literal["weights", "update"]

ROUND, CLIENT, GLOBAL, EXAMPLES = re.compile(r"round-(\d{1,9})"), re.compile(r"client-(.+)"), "global", "examples.csv"
SUFFIXES = (".safetensors", ".npz")
TROUBLE = (OSError, SafetensorError, BadZipFile, ValueError, KeyError, TypeError, EOFError, RuntimeError, MemoryError)
"""What safetensors and NumPy may raise on a damaged or forged file."""


class UnreadableError(RunError):
    """A file of logged updates that cannot be read.

    Example:
        >>> from pathlib import Path
        >>> from fedlens.bridges.wire import UnreadableError, read_arrays
        >>> Path("client-1.npz").write_text("no archive")
        10
        >>> try:
        ...     read_arrays(Path("client-1.npz"))
        ... except UnreadableError as error:
        ...     print(error)
        client-1.npz: cannot be read: no arrays are in it
    """


@dataclass(frozen=True)
class LoggedUpdate:
    """What a client sent in a round.

    Attributes:
        client: its name.
        path: the file.
        kind: whether these are weights, or an update of them.
        examples: on how many samples it says that it trained; ``None`` where it does not say so.
        fault: why the file cannot be read; empty if nothing speaks against it so far.

    Example:
        >>> from pathlib import Path
        >>> from fedlens.bridges.wire import LoggedUpdate
        >>> LoggedUpdate("7", Path("updates/round-00001/client-7.npz")).kind
        'weights'
    """

    client: str
    path: Path
    kind: Sent = "weights"
    examples: float | None = None
    fault: str = ""


@dataclass(frozen=True)
class LoggedRound:
    """A round in a folder of logged updates.

    Attributes:
        number: of the round.
        sent: the file of what the server sent; ``None`` if it was not logged.
        updates: what clients sent back, by their names.

    Example:
        >>> from fedlens.bridges.wire import LoggedRound
        >>> LoggedRound(3, None).updates
        []
    """

    number: int
    sent: Path | None
    updates: list[LoggedUpdate] = field(default_factory=list)


def logged_rounds(folder: Path, kind: Sent = "weights") -> list[LoggedRound]:
    """List the rounds of a folder, without reading any array.

    Args:
        folder: where they are.
        kind: what files hold that do not say so themselves.

    Raises:
        RunError: there are none, or what it says of samples cannot be read.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from fedlens.bridges.wire import logged_rounds, write_arrays
        >>> write_arrays(Path("updates/round-00001/client-7.safetensors"), {"w": np.ones(2)}, {"examples": "250"})
        >>> [logged] = logged_rounds(Path("updates"))
        >>> logged.updates[0].client, logged.updates[0].examples
        ('7', 250.0)
    """
    numbered = sorted(
        (int(match[1]), path)
        for path in _below(folder)
        if path.is_dir() and (match := ROUND.fullmatch(path.name)) is not None
    )
    if not numbered:
        if ROUND.fullmatch(folder.absolute().name) is not None:
            raise RunError(
                f"{folder}: is one round; name the folder that the rounds are in: {folder.absolute().parent}"
            )
        raise RunError(
            f"{folder}: no updates are logged there; a folder round-00001 with global.safetensors and "
            "client-1.safetensors is what is looked for"
        )
    examples = _examples(folder / EXAMPLES)
    return [_round(number, path, examples, kind) for number, path in numbered]


def read_arrays(path: Path) -> dict[str, Tensor | NDArray[Any]]:
    """Read the arrays of a file, by their names; nothing in it is executed.

    Raises:
        UnreadableError: it is damaged, or holds something else than arrays of numbers and words.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from fedlens.bridges.wire import read_arrays
        >>> np.savez("client-1.npz", w=np.array([1.0, 2.0]))
        >>> read_arrays(Path("client-1.npz"))["w"].tolist()
        [1.0, 2.0]
    """
    with _reading(path):
        regular(path, None)
        if path.suffix == ".npz":
            if not is_zipfile(path):
                raise ValueError("no arrays are in it")
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in _in_order(archive.files)}
        with safe_open(str(path), framework="pt") as content:
            return {name: content.get_tensor(name) for name in _in_order(content.keys())}


def write_arrays(path: Path, arrays: Arrays, facts: Mapping[str, str]) -> None:
    """Write arrays of numbers into a safetensors file, with facts in its header; folders are made for the owner alone.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from fedlens.bridges.wire import read_arrays, write_arrays
        >>> file = Path("updates/round-00001/client-1.safetensors")
        >>> write_arrays(file, {"w": np.array([1.0, 2.0])}, {"examples": "30"})
        >>> read_arrays(file)["w"].tolist()
        [1.0, 2.0]
    """
    tensors = {name: tensor.contiguous() for name, array in arrays.items() if (tensor := numbers(array)) is not None}
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    save_file({name: _apart(tensor) for name, tensor in tensors.items()}, path, metadata=dict(facts))


def round_folder(folder: Path, number: int) -> Path:
    """Return where a round is logged."""
    return folder / f"round-{number:05d}"


def _below(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise RunError(f"{folder}: {error.strerror}; name the folder in which updates are logged") from None


def _round(number: int, folder: Path, examples: Mapping[tuple[int, str], float], kind: Sent) -> LoggedRound:
    """Return a round.

    Raises:
        RunError: two files are of one client.
    """
    sent: Path | None = None
    updates: dict[str, LoggedUpdate] = {}
    for path in _below(folder):
        if path.suffix not in SUFFIXES:
            continue
        if path.stem == GLOBAL:
            sent = sent or path
        elif match := CLIENT.fullmatch(path.stem):
            update = _update(path, match[1], number, examples, kind)
            if update.client in updates:
                raise RunError(
                    f"{path}: {updates[update.client].path.name} is of client {update.client}, too; leave one of them"
                )
            updates[update.client] = update
    return LoggedRound(number, sent, [updates[client] for client in _in_order(updates)])


def _update(
    path: Path, client: str, number: int, examples: Mapping[tuple[int, str], float], usual: Sent
) -> LoggedUpdate:
    facts: Mapping[str, str] = {}
    try:
        with _reading(path):
            regular(path, None)
            if path.suffix != ".npz":
                with safe_open(str(path), framework="pt") as content:
                    facts = content.metadata() or {}
    except UnreadableError as error:
        return LoggedUpdate(client, path, usual, examples.get((number, client)), str(error))
    client, kind = facts.get("client", client), facts.get("kind", usual)
    count, fault = examples.get((number, client)), ""
    if kind not in get_args(Sent):
        fault = f"{path}: kind is {shortened(kind)}; weights or update is right"
    if "examples" in facts:
        try:
            count = float(facts["examples"])
        except ValueError:
            fault = f"{path}: examples is {shortened(facts['examples'])}; a number is right"
    return LoggedUpdate(client, path, "update" if kind == "update" else "weights", count, fault)


def _examples(file: Path) -> dict[tuple[int, str], float]:
    """Read on how many samples clients say that they trained."""
    if not file.exists():
        return {}
    found: dict[tuple[int, str], float] = {}
    try:
        with regular(file).open(newline="", encoding="utf-8") as text:
            for line, row in enumerate(csv.DictReader(text), start=2):
                try:
                    found[int(row["round"]), row["client"].strip()] = float(row["examples"])
                except (KeyError, TypeError, ValueError, AttributeError):
                    raise RunError(
                        f"{file}, line {line}: not of the form round,client,examples; e.g. 1,7,250"
                    ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{file}: cannot be read ({error})") from None
    return found


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what readers raise into one error that names the file."""
    try:
        yield
    except DamagedRunError as error:
        raise UnreadableError(str(error).partition("; ")[0]) from None
    except TROUBLE as error:
        words = "it holds Python objects, which are not read" if "Object arrays" in str(error) else str(error)
        raise UnreadableError(f"{path}: cannot be read: {cut(words, 200)}") from None


def _in_order(names: Iterable[str]) -> list[str]:
    """Sort names, as safetensors does; whole numbers as such, as those of arrays in a list are."""
    listed = list(names)
    return sorted(listed, key=int) if all(name.isdecimal() for name in listed) else sorted(listed)


def _apart(tensor: Tensor) -> Tensor:
    """Return a tensor that shares nothing with others: safetensors refuses what does."""
    return tensor.clone(memory_format=torch.contiguous_format)
