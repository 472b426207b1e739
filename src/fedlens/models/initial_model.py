"""The model that every federation of an experiment begins with."""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fedlens.core.deadline import within
from fedlens.core.errors import ConfigError
from fedlens.core.layout import flatten
from fedlens.core.lazy import nn, torch
from fedlens.core.random import Address
from fedlens.core.registry import require_code
from fedlens.core.staying import staying
from fedlens.models.model import Model
from fedlens.models.network import Network, build

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class InitialModel:
    """A model with its first weights, which is built when it is first needed, and only once.

    Attributes:
        model: its description.
        shape: of one input.
        classes: how many there are.
        address: where its random draws begin.
        device: where it is trained.
        timeout: seconds that building it may take (`fedlens.core.deadline`).
    """

    model: Model
    shape: tuple[int, ...]
    classes: int
    address: Address
    device: torch.device
    timeout: float | None = None

    def build(self) -> nn.Module:
        """Build the model anew, with the same weights.

        Raises:
            ConfigError: the model's code is not at hand, or it does not fit the data.
        """
        require_code("model", self.model)
        with staying("model", ConfigError), within(self.timeout, "building the model"):
            return build(self.model, self.shape, self.classes, self.address).to(self.device)

    @cached_property
    def module(self) -> nn.Module:
        """The module, which nobody trains; `network` gives copies."""
        return self.build()

    def network(self) -> Network:
        """Return a network with the first weights, for the caller to train.

        Raises:
            ConfigError: as `build`.
        """
        return Network(deepcopy(self.module))

    @cached_property
    def digest(self) -> str:
        """Digest of its weights and buffers."""
        return digest(flatten(self.module).cpu(), *(buffer.cpu() for buffer in self.module.buffers()))


def digest(*tensors: Tensor) -> str:
    """Return a digest of the bytes of these tensors, which are on the CPU."""
    blake = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        blake.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return blake.hexdigest()
