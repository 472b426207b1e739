"""Starting weights from a file of safetensors, which holds tensors by their names and nothing that could be run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from fedlens.core.errors import ConfigError, cut
from fedlens.core.lazy import nn, torch
from fedlens.data.user_files import locate

if TYPE_CHECKING:
    from torch import Tensor


def load_starting_weights(module: nn.Module, path: Path, name: str, directory: Path | None = None) -> None:
    """Load the parameters and buffers of `module` from a file, which has to have all of them and nothing else.

    A tensor that the module has under several names may be there under any of them.

    Args:
        module: the module.
        path: the file, as ``safetensors.torch.save_file(module.state_dict(), path)`` writes it.
        name: what to call the model in messages.
        directory: the user's data directory, if any.

    Raises:
        ConfigError: the file cannot be read, or its tensors are not those of the module.
        DataError: there is no such file.
    """
    found, wanted = _read(path, locate(str(path), directory, "weights", "model")), module.state_dict()
    once = dict.fromkeys(name for name, _ in (*module.named_parameters(), *module.named_buffers()) if name in wanted)
    places = {key: [other for other, tensor in wanted.items() if tensor is wanted[key] or _same(tensor, wanted[key])]
              for key in once}  # fmt: skip
    chosen = {key: next((other for other in names if other in found), None) for key, names in places.items()}
    if missing := [key for key, other in chosen.items() if other is None]:
        _refuse(path, f"lacks {_listed(missing)}, which {name} has", found.keys() - wanted.keys())
    if unknown := sorted(found.keys() - wanted.keys()):
        _refuse(path, f"has {_listed(unknown)}, which {name} has not")
    for key, other in chosen.items():
        tensor = found[str(other)]
        if tensor.shape != wanted[key].shape:
            _refuse(path, f"{key} is of shape {list(tensor.shape)}, and {list(wanted[key].shape)} in {name}")
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            _refuse(path, f"{key} is not finite")
        with torch.no_grad():
            wanted[key].copy_(tensor)


def _same(tensor: Tensor, other: Tensor) -> bool:
    """Tell whether both are the same memory in the same shape."""
    return bool(tensor.numel()) and tensor.data_ptr() == other.data_ptr() and tensor.shape == other.shape


def _read(path: Path, file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        remedy = "write it by safetensors.torch.save_file(module.state_dict(), ...)"
        raise ConfigError(f"model.weights: {path}: cannot be read as safetensors ({error}); {remedy}") from None


def _listed(names: list[str]) -> str:
    return cut(", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else ""))


def _refuse(path: Path, wrong: str, instead: set[str] | None = None) -> NoReturn:
    beside = f"; it has {_listed(sorted(instead))} instead" if instead else ""
    remedy = "take the file of this model and data, or leave it out: -o model.weights=null"
    raise ConfigError(f"model.weights: {path}: {wrong}{beside}; {remedy}")
