"""Hooks on modules: whatever computes a module in another way would not call them."""

from collections.abc import Iterable

import torch
from torch import nn

_OF_MODULES = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_OF_PARAMETERS = ("_backward_hooks", "_post_accumulate_grad_hooks")


def hooked(modules: Iterable[nn.Module]) -> bool:
    """Tell whether one of these modules has a hook, or there is a global one."""
    return torch.nn.modules.module._has_any_global_hook() or any(  # type: ignore[no-untyped-call]
        getattr(module, kind) for module in modules for kind in _OF_MODULES
    )


def gradients_hooked(module: nn.Module) -> bool:
    """Tell whether one of the module's parameters has a hook."""
    return any(getattr(parameter, kind, None) for parameter in module.parameters() for kind in _OF_PARAMETERS)
