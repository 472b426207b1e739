"""Everything that computes with tensors, on any device: a case for each component that the registry has.

A case is a function of a device, which returns what was computed there: tensors, numbers, and lists and dicts of these.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fedlens.core.config import Config
from fedlens.core.registry import BUILT_IN, build
from helpers import attack_cases, model_cases, server_cases

Case = Callable[[torch.device], object]

ON_THE_CPU = {"data", "partition"}
"""Kinds of components that are done before anything is moved to a device."""

KINDS: Mapping[str, tuple[type[Config], Callable[[Any, torch.device], object]]] = {
    **server_cases.SERVER,
    **attack_cases.ATTACKERS,
    **model_cases.MODELS,
}
"""What is computed of a component of each kind."""

_MODULES = (server_cases, attack_cases, model_cases)


def cases() -> dict[str, Case]:
    """Every case by its name."""
    return dict(_cases())


def _cases() -> Iterator[tuple[str, Case]]:
    options = {name: values for module in _MODULES for name, values in module.OPTIONS.items()}
    variants = {kind: values for module in _MODULES for kind, values in module.VARIANTS.items()}
    for kind, (base, compute) in KINDS.items():
        plain = {f"{kind} {name}": {"name": name, **options.get(name, {})} for name in BUILT_IN[kind]}
        others = {f"{kind} {' '.join(map(str, flat(values).values()))}": values for values in variants.get(kind, ())}
        for name, values in {**plain, **others}.items():
            yield name, partial(_of_component, kind, values, base, compute)
    for plan in model_cases.plans():
        yield f"training {plan.optimizer} {plan.loss} {plan.augmentation}", partial(model_cases.training, plan)
    yield "dense networks in a stack", model_cases.dense
    yield "metrics", model_cases.metrics


def _of_component(
    kind: str,
    values: Mapping[str, Any],
    base: type[Config],
    compute: Callable[[Any, torch.device], object],
    device: torch.device,
) -> object:
    return compute(build(kind, values, base), device)


def flat(value: object, path: str = "") -> dict[str, object]:
    """The tensors and numbers that a case has returned, by where they are in it."""
    if isinstance(value, Mapping):
        return {key: part for name, held in value.items() for key, part in flat(held, f"{path}.{name}").items()}
    if isinstance(value, list | tuple):
        return {key: part for name, held in enumerate(value) for key, part in flat(held, f"{path}.{name}").items()}
    return {path: value}


def tensors(value: object) -> dict[str, Tensor]:
    """The tensors among them."""
    return {path: part for path, part in flat(value).items() if isinstance(part, Tensor)}
