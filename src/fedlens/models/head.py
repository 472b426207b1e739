"""A network of one logit z, completed to two classes.

The logits are −z/2 and z/2, so that log-softmax gives log σ(−z) and log σ(z). Cross-entropy is then binary
cross-entropy, and whatever works with two classes works with these, explanations of either one included.
"""

import torch
from torch import Tensor, nn
from typing_extensions import override


class TwoLogits(nn.Module):
    """The last layer of such a network."""

    @override
    def forward(self, z: Tensor) -> Tensor:
        """Return both logits, ``[n, 2]``, of one, ``[n, 1]``."""
        return both(z)


def both(z: Tensor) -> Tensor:
    """Return two logits for each z along the last dimension, which has one entry."""
    return torch.cat([-z, z], dim=-1) / 2


def with_two_logits(module: nn.Module) -> nn.Module:
    """Let `module`, which gives one logit ``[n, 1]``, give two, ``[n, 2]``; an `nn.Sequential` gets one more layer."""
    return module.append(TwoLogits()) if isinstance(module, nn.Sequential) else nn.Sequential(module, TwoLogits())
