"""The model that every federation of an experiment begins with."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fedlens.core.deadline import within
from fedlens.core.errors import ConfigError
from fedlens.core.layout import flatten, note_running, running_buffers
from fedlens.core.lazy import nn, torch
from fedlens.core.random import Address
from fedlens.core.registry import require_code
from fedlens.core.staying import staying
from fedlens.data.dataset import Samples
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
        samples: some to train on, by which buffers that training changes are found.
        binary: whether it is built for one logit, which is completed to two classes.
        regression: whether it predicts a quantity; then `classes` is 1.
        bf16: whether it is trained in mixed precision.
        directory: where the user keeps data files, such as starting weights.
    """

    model: Model
    shape: tuple[int, ...]
    classes: int
    address: Address
    device: torch.device
    timeout: float | None = None
    samples: Samples | None = None
    binary: bool = False
    bf16: bool = False
    regression: bool = False
    directory: Path | None = None

    def build(self) -> nn.Module:
        """Build the model anew, with the same weights.

        Raises:
            ConfigError: the model's code is not at hand, or it does not fit the data.
        """
        require_code("model", self.model)
        with staying("model", ConfigError), within(self.timeout, "building the model"):
            module = build(self.model, self.shape, 1 if self.binary else self.classes, self.address, self.directory)
            if self.binary:
                from fedlens.models.head import with_two_logits

                module = with_two_logits(module)
            if self.regression:
                from fedlens.models.head import with_prediction

                module = with_prediction(module)
            module = module.to(self.device)
            if self.bf16:
                from fedlens.models.mixed_precision import MixedPrecision

                module = MixedPrecision(module, self.device.type)
            if self.samples is not None:
                note_running(module, _changed(module, self.samples, self.address.at("buffers")))
            return module

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
        frozen = (parameter for parameter in self.module.parameters() if not parameter.requires_grad)
        return digest(flatten(self.module).cpu(), *(rest.cpu() for rest in (*self.module.buffers(), *frozen)))


def _changed(module: nn.Module, samples: Samples, address: Address) -> list[str]:
    """Return the names of buffers that a step of training changes; what is wrong with the module is not said here."""
    others = module.named_buffers() if len(running_buffers(module)) < len(list(module.buffers())) else ()
    before = {name: buffer.clone() for name, buffer in others}
    if not before:
        return []
    with suppress(Exception):
        network = Network(deepcopy(module))
        with network.training(address):
            network.backward(samples.x, samples.y)
        after = dict(network.module.named_buffers())
        return [
            name
            for name, buffer in before.items()
            if name in after and after[name].shape == buffer.shape and not torch.equal(buffer, after[name])
        ]
    return []


def digest(*tensors: Tensor) -> str:
    """Return a digest of the bytes of these tensors, which are on the CPU."""
    blake = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        blake.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return blake.hexdigest()
