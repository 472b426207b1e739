"""Inputs of computations that are done on any device: made on the CPU, the same every time, and moved there."""

from copy import deepcopy
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fedlens.core.layout import Layout
from fedlens.models.network import Network


def normal(seed: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Draws of N(0, 1)."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def moved(value: Any, device: torch.device) -> Any:
    """What has been moved to a device, whatever holds it."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, Network):
        network = Network(deepcopy(value.module).to(device))
        network.load(value.state().to(device))
        return network
    if is_dataclass(value) and not isinstance(value, type | Layout):
        return replace(value, **{part.name: moved(getattr(value, part.name), device) for part in fields(value)})
    return tuple(moved(part, device) for part in value) if isinstance(value, tuple) else value
