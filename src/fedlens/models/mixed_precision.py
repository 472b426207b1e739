"""Mixed precision: products in bfloat16, weights and sums in float32, in training only.

Micikevicius et al., *Mixed Precision Training* (ICLR 2018); bfloat16 has float32's range, so that no loss is scaled. A
global model is evaluated in full precision.
"""

import torch
from torch import Tensor, nn
from typing_extensions import override

from fedlens.core.errors import ConfigError


class MixedPrecision(nn.Module):
    """A network that PyTorch computes in bfloat16 where that is safe, while it trains.

    Args:
        module: the network.
        device: the kind of device that it is on, such as ``cuda``.
    """

    def __init__(self, module: nn.Module, device: str) -> None:
        super().__init__()
        self.module = module
        self._device = device

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Compute the network; the answer has the type of the parameters."""
        with torch.autocast(self._device, torch.bfloat16, enabled=self.training):
            answer: Tensor = self.module(x)
        return answer.to(next(self.parameters()).dtype)


def require_bfloat16(device: torch.device) -> None:
    """Check that a device computes in bfloat16 itself.

    Raises:
        ConfigError: it does not.
    """
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return
    reason = "which a CPU would only imitate" if device.type == "cpu" else f"which {device} does not compute in"
    raise ConfigError(f"local.precision: bf16 is for GPUs with bfloat16, {reason}; e.g. -o local.precision=full")
