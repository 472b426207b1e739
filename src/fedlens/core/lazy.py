"""PyTorch, imported when it is first used.

Importing it takes longer than all else that a command does before its first word. So modules that describe components,
or read what is recorded, take `torch`, `nn` and `functional` from here: a configuration is refused, and a run is shown,
without it. To be of use, a module must not need them while it is imported, its annotations included.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.nn import functional
else:

    class _Lazy:
        """A module that is imported when something in it is wanted."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, wanted: str) -> Any:
            return getattr(import_module(self._name), wanted)

    torch, nn, functional = map(_Lazy, ("torch", "torch.nn", "torch.nn.functional"))

__all__ = ["functional", "nn", "torch"]
