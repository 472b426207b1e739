"""`explain`: attributions by any method, of any model."""

import copy
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from fedlens.core.custom import is_custom
from fedlens.core.errors import ExplanationError, FedlensError
from fedlens.core.given import misfit
from fedlens.core.origin import at, told
from fedlens.core.random import Address, global_states, seeded
from fedlens.core.registry import build, require_complete
from fedlens.core.threads import cores, one_thread
from fedlens.explanations.methods.method import Method

_AT_ONCE = 512
"""Inputs computed at once: just enough to keep a CPU busy, so that their activations take little memory."""
_ADDRESS = Address.root(0).at("explain")


def explain(
    model: nn.Module,
    inputs: Tensor,
    target: Tensor | Sequence[int] | int | None = None,
    method: Method | str = "gradient",
    *,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Attribute the logit of a class to the entries of each input.

    The model is explained in evaluation mode and not changed: neither its parameters and their gradients, nor its mode,
    nor its hooks.

    Args:
        model: any module from inputs to logits ``[n, classes]``.
        inputs: samples, floating point, shape ``[n, ...]``, on the model's device.
        target: the class to explain, one for all samples or ``[n]``; by default the predicted one.
        method: a method, or the name of one with its defaults; `fedlens list` shows them.
        threads: number of threads, each with one of PyTorch's; by default one a core, and one on other devices. The
            result does not depend on it. It is one if the method is a custom one or the model draws random numbers,
            which are the same every time.
        progress: called after every few samples, with their number.

    Returns:
        How much each entry counts for the class, of the inputs' shape.

    Raises:
        ExplanationError: the inputs or classes do not fit the model, or the method does not suit it.
        ConfigError: there is no such method, or one of the user's own is not complete.

    Example:
        >>> import torch
        >>> import fedlens
        >>> model = torch.nn.Linear(2, 2, bias=False)
        >>> model.weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
        >>> fedlens.explain(model, torch.tensor([[5.0, 4.0]]), target=0, method="input-times-gradient")
        tensor([[ 5., -8.]])
    """
    chosen = build("method", method, Method)
    require_complete("method", chosen)
    classes = _classes(copied(model), inputs, target)
    size = max(1, _AT_ONCE // chosen.copies)
    work = list(zip(torch.split(inputs.detach(), size), torch.split(classes, size), strict=True))
    threads = threads or (cores() if inputs.device.type == "cpu" else 1)
    seeding = is_custom(chosen) or _draws(copied(model), inputs[:1])
    idle_copies = [copied(model) for _ in range(1 if seeding else min(threads, len(work)))]  # threads share generators

    def attribute(index: int, samples: Tensor, labels: Tensor) -> Tensor:
        private = idle_copies.pop()
        try:
            with seeded(_ADDRESS.at(index)) if seeding else nullcontext():
                return _attributions(chosen, private, samples.clone(), labels.clone())
        finally:
            idle_copies.append(private)

    with one_thread(), warnings.catch_warnings(), ThreadPoolExecutor(len(idle_copies)) as pool:
        warnings.simplefilter("ignore", UserWarning)  # captum's: it sets hooks, here on a copy
        maps = []
        for part in pool.map(attribute, range(len(work)), *zip(*work, strict=True)):
            maps.append(part)
            if progress is not None:
                progress(len(part))
    return torch.cat(maps)


def _attributions(method: Method, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
    """Return the method's attributions, of the inputs' shape.

    Raises:
        ExplanationError: the user's own failed, or gave something else.
    """
    if not is_custom(method):
        return method.attribute(model, inputs, classes).detach().clone()
    name, shape = type(method).__name__, inputs.shape
    try:
        found: object = method.attribute(model, inputs, classes)
    except FedlensError:
        raise
    except Exception as error:
        raise ExplanationError(f"method {name} failed: {told(error)}") from error
    if wrong := misfit(found, shape, finite=False):
        remedy = f"let attribute{at(method.attribute)} return a number for each entry of the inputs"
        raise ExplanationError(f"method {name} returned attributions {wrong}: {remedy}")
    assert isinstance(found, Tensor)
    return found.detach().clone()


def _draws(model: nn.Module, inputs: Tensor) -> bool:
    """Tell whether a model draws from the global generators."""
    with torch.no_grad(), seeded(_ADDRESS):
        before = global_states()
        model(inputs)
        return global_states() != before


def copied(model: nn.Module) -> nn.Module:
    """Return a copy that methods may change: in evaluation mode, with parameters that take no gradient.

    It computes on copies of its inputs.

    Raises:
        ExplanationError: the model cannot be copied.
    """
    try:
        private = copy.deepcopy(model)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ExplanationError(f"model: it cannot be copied ({reason}); give one that copy.deepcopy takes") from error
    private.register_forward_pre_hook(_copied_inputs)  # a model may work in place
    return private.eval().requires_grad_(False)


def _copied_inputs(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.clone() if isinstance(value, Tensor) else value for value in inputs)


def _classes(model: nn.Module, inputs: Tensor, target: Tensor | Sequence[int] | int | None) -> Tensor:
    """Return the class to explain for each input, ``[n]``.

    Raises:
        ExplanationError: inputs and classes do not fit the model.
    """
    if inputs.dim() < 2 or not len(inputs) or not inputs.is_floating_point():
        shape = f"{inputs.dtype} of shape {list(inputs.shape)}"
        remedy = "e.g. x.float()"
        if not inputs.is_floating_point():
            remedy = "if they are measured, e.g. x.float(); tokens, whose numbers are names, cannot be explained"
        raise ExplanationError(
            f"inputs: expected numbers of floating point, [n, ...] with n ≥ 1, not {shape}; {remedy}"
        )
    logits = logits_of(model, inputs)
    if target is None:
        return logits.argmax(1)
    classes = torch.as_tensor(target, device=logits.device)
    if classes.is_floating_point() or classes.shape not in {(), (len(inputs),)}:
        shape = f"{classes.dtype} of shape {list(classes.shape)}"
        raise ExplanationError(
            f"target: expected the number of a class, or {len(inputs)} of them, not {shape}; e.g. target=0"
        )
    classes = classes.long().expand(len(inputs))
    if classes.min() < 0 or classes.max() >= logits.shape[1]:
        wrong = int(classes.min() if classes.min() < 0 else classes.max())
        raise ExplanationError(f"target: there is no class {wrong}; the model has classes 0 to {logits.shape[1] - 1}")
    return classes


def logits_of(model: nn.Module, inputs: Tensor) -> Tensor:
    """Compute the model's logits for the inputs, ``[n, classes]``, a few inputs at a time.

    Raises:
        ExplanationError: the model does not take such inputs, or returns something else than finite logits.
    """
    try:
        with torch.no_grad(), seeded(_ADDRESS):
            logits = torch.cat([model(samples) for samples in torch.split(inputs.detach(), _AT_ONCE)])
    except (RuntimeError, TypeError, ValueError) as error:
        shape = list(inputs.shape)
        raise ExplanationError(f"model: it does not take inputs of shape {shape} ({error}); give others") from error
    if logits.dim() != 2 or len(logits) != len(inputs):
        raise ExplanationError(
            f"model: expected logits [{len(inputs)}, classes], not {list(logits.shape)}; let it end in a layer so wide"
        )
    if not logits.isfinite().all():
        raise ExplanationError(
            "model: its logits are not finite, so there is nothing to explain; take an earlier round, e.g. --round 1"
        )
    return logits
