"""A cache of tensors that take long to prepare."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from fedlens.core.errors import RunError
from fedlens.core.files import write_atomically
from fedlens.core.installed import version
from fedlens.core.paths import private_cache

if TYPE_CHECKING:
    from torch import Tensor


def prepared(
    name: str, sources: Iterable[bytes], packages: Iterable[str], make: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Return what `make` makes, or made earlier from the same `sources` with the same versions of these `packages`.

    If the cache cannot be written, or its file is damaged, `make` is called again.
    """
    key = hashlib.blake2b(digest_size=12)
    for part in (*sources, *(f"{package} {version(package)}\n".encode() for package in packages)):
        key.update(len(part).to_bytes(8, "little") + part)
    try:
        path = private_cache("prepared") / f"{name}-{key.hexdigest()}.safetensors"
    except RunError:
        return make()
    if (cached := _read(path)) is not None:
        return cached
    from safetensors.torch import save

    tensors = make()
    with suppress(RunError, SafetensorError):
        write_atomically(path, save(tensors, {"digest": _digest(tensors)}))
    return tensors


def _read(path: Path) -> dict[str, Tensor] | None:
    """Read the tensors from this file; ``None`` if it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            sound = (file.metadata() or {}).get("digest") == _digest(tensors)
    except (OSError, SafetensorError):
        return None
    return tensors if sound else None


def _digest(tensors: dict[str, Tensor]) -> str:
    """Return a digest of names, types, shapes and entries."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.numpy().data)
    return digest.hexdigest()
