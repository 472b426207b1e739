"""What a network ends in where its outputs are not a logit for each class: two logits of one, or a prediction.

A network of one logit z is completed to two classes. The logits are −z/2 and z/2, so that log-softmax gives log σ(−z)
and log σ(z). Cross-entropy is then binary cross-entropy, and whatever works with two classes works with these,
explanations of either one included.
"""

import torch
from torch import Tensor, nn
from typing_extensions import override

from fedlens.core.errors import ConfigError


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


class Prediction(nn.Module):
    """The last layer of a regression: the number predicted for each sample, ``[n, 1]``, of ``[n]`` or ``[n, 1]``."""

    @override
    def forward(self, z: Tensor) -> Tensor:
        """Return the predictions.

        Raises:
            ConfigError: there are more or fewer.
        """
        if z.dim() == 2 and z.shape[1] == 1:
            return z
        if z.dim() == 1:
            return z[:, None]
        raise ConfigError(
            f"model: gives outputs of shape {list(z.shape)}, and a regression needs one number for each sample, [n] or "
            "[n, 1]; e.g. let its last layer be nn.Linear(..., classes), where classes is then 1"
        )


def with_prediction(module: nn.Module) -> nn.Module:
    """Let `module` predict a quantity; an `nn.Sequential` gets one more layer."""
    return module.append(Prediction()) if isinstance(module, nn.Sequential) else nn.Sequential(module, Prediction())
