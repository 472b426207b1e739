"""Tensors that take long to prepare, kept in the cache for the next time."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from fedlens.core.errors import RunError
from fedlens.core.paths import private_cache

if TYPE_CHECKING:
    from torch import Tensor


def prepared(
    name: str, sources: Iterable[bytes], packages: Iterable[str], make: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """What `make` makes, or made before of the same `sources` by the same versions of these `packages`.

    A cache that cannot be written, or whose file is damaged, only means that it is made again.
    """
    key = hashlib.blake2b(digest_size=12)
    for part in (*sources, *(f"{package} {version(package)}\n".encode() for package in packages)):
        key.update(len(part).to_bytes(8, "little") + part)
    try:
        path = private_cache("prepared") / f"{name}-{key.hexdigest()}.safetensors"
    except RunError:
        return make()
    if (found := _read(path)) is not None:
        return found
    tensors = make()
    with suppress(OSError, SafetensorError):
        _write(path, tensors)
    return tensors


def _read(path: Path) -> dict[str, Tensor] | None:
    """The tensors in this file, or ``None`` if it is missing or not what was written."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            sound = (file.metadata() or {}).get("digest") == _digest(tensors)
    except (OSError, SafetensorError):
        return None
    return tensors if sound else None


def _write(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write the tensors, so that nobody ever reads half of them."""
    from safetensors.torch import save_file

    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    os.close(handle)
    try:
        save_file(tensors, temporary, metadata={"digest": _digest(tensors)})
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _digest(tensors: dict[str, Tensor]) -> str:
    """A digest of names, types, shapes and entries."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.numpy().data)
    return digest.hexdigest()
