"""A network of one logit z, completed to one of two classes.

The second class's logit is z and the first one's is 0, so that log-softmax gives log σ(−z) and log σ(z): cross-entropy
is then binary cross-entropy, and whatever works with the log-probabilities of two classes works with these.
"""

from __future__ import annotations

from fedlens.core.lazy import nn


def with_two_logits(module: nn.Module) -> nn.Module:
    """Let `module`, which gives one logit ``[n, 1]``, give two, ``[n, 2]``; an `nn.Sequential` gets one more layer."""
    head = nn.ZeroPad1d((1, 0))
    return module.append(head) if isinstance(module, nn.Sequential) else nn.Sequential(module, head)


def is_head(layer: nn.Module) -> bool:
    """Tell whether a layer completes one logit to two."""
    return type(layer) is nn.ZeroPad1d and tuple(layer.padding) == (1, 0)
