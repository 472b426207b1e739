"""A custom model tried on two samples before anything runs.

What is wrong with it would show in the middle of a run otherwise, or not at all: what it keeps beside parameters and
buffers that training changes does not travel between clients and server, so that results would depend on who trained
which client.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from fedlens.core.errors import ConfigError
from fedlens.core.origin import told
from fedlens.core.random import Address, seeded
from fedlens.data.dataset import Samples
from fedlens.models.initial_model import InitialModel
from fedlens.models.network import Network

LET_TRAINING = "let every step of training change a buffer, as running statistics do, or none"


def try_out(initial: InitialModel, samples: Samples, name: str, address: Address) -> None:
    """Let a model answer, learn and answer again, and check that only what travels changes by that.

    Args:
        initial: the model.
        samples: two of them, on its device.
        name: what to call the model in messages, with its file and line.
        address: where random draws begin.

    Raises:
        ConfigError: the model cannot be copied, trained or evaluated, or keeps something that does not travel.
    """
    _require_copied(initial.module, name)
    network = initial.network()
    _require_the_same(network, Network(initial.build()), name)
    buffers = {key: buffer.clone() for key, buffer in network.module.named_buffers()}
    for training in (True, False):
        with _explained(network, samples, name):
            first, again = (_answer(network, samples.x, address, training=training) for _ in range(2))
        when = "in training" if training else "in evaluation"
        for answer in (first, again):
            _require_logits(answer, [len(samples), initial.classes], f"{name}: {when}")
        if not torch.allclose(first, again, rtol=1e-4, atol=1e-5, equal_nan=True):
            _refuse(
                f"{name}: {when}, its answer to the same inputs is another one the second time",
                "keep no state, and draw from the global generators of PyTorch, NumPy or Python, which are seeded",
            )
    state = network.state()
    with _explained(network, samples, name), torch.no_grad(), seeded(address):
        network.module(samples.x.clone())
    if not torch.equal(network.state(), state):
        changed = network.layout.buffers.slices[0].name
        _refuse(f"{name}: evaluation changes buffers, such as {changed}", "change them only if self.training")
    with _explained(network, samples, name), network.training(address):
        network.backward(samples.x, samples.y)
    travelling = {part.name for part in network.layout.buffers.slices}
    for key, buffer in network.module.named_buffers():
        before = buffers.get(key)
        if before is None or before.shape != buffer.shape or (key in travelling and buffer.is_complex()):
            remedy = "give it its shape in __init__, and let it be of real or whole numbers"
            _refuse(f"{name}: training makes another buffer of {key}, which an update cannot carry", remedy)
        if key not in travelling and not torch.equal(buffer, before):
            _refuse(f"{name}: the first step of training leaves {key} alone, a later one does not", LET_TRAINING)
    _require_bound(network, name)


def require_answer(network: Network, sample: Samples, name: str) -> None:
    """Check that one of fedlens' own models takes such inputs: it answers one.

    Args:
        network: the model.
        sample: one, on its device.
        name: what to call the model in messages.

    Raises:
        ConfigError: it does not; the message names one that does.
    """
    try:
        network.log_probabilities(sample.x)
    except Exception as error:
        x, fitting = sample.x, "census-mlp" if sample.x.is_floating_point() else "char-lstm"
        wrong = (
            f"does not take this data's inputs of shape {tuple(x.shape[1:])}, {x.dtype}: {str(error).splitlines()[0]}"
        )
        raise ConfigError(f"model: {name} {wrong}; e.g. -o model={fitting}") from error


def _answer(network: Network, x: Tensor, address: Address, *, training: bool) -> Any:
    weights = network.state()
    try:
        if training:
            with network.training(address):
                return network.module(x.clone())
        with torch.no_grad(), seeded(address):
            return network.module(x.clone())
    finally:
        network.load(weights)


@contextmanager
def _explained(network: Network, samples: Samples, name: str) -> Iterator[None]:
    """Turn whatever goes wrong in the model into a message that says on what it does."""
    try:
        yield
    except Exception as error:
        x, kind = samples.x, network.vector.dtype
        remedy = f"build(shape, classes) receives shape={tuple(x.shape[1:])}"
        if not x.is_floating_point():
            remedy = f"inputs are {x.dtype}; unless the model embeds them, float32 is right: .float()"
        elif x.dtype != kind:
            remedy = f"inputs are {x.dtype} and the model's parameters {kind}, so make them alike, as by .float()"
        what = f"inputs of shape {list(x.shape)}, {x.dtype}"
        raise ConfigError(f"model: {name} fails on {what}: {told(error)}; {remedy}") from error


def _require_the_same(network: Network, again: Network, name: str) -> None:
    """Refuse a model that does not begin with the same weights every time, or with none."""
    pairs = zip(network.layout.slices, again.layout.slices, strict=False)
    unlike = [part.name for part, other in pairs if part != other]
    if unlike or network.layout.size != again.layout.size:
        _refuse(f"{name}: build gives other layers the second time", "let it depend on its arguments and options alone")
    for part, first in network.layout.split(network.state()).items():
        other = again.layout.split(again.state())[part]
        if not first.isfinite().all() or not torch.equal(first, other):
            what = (
                "is not finite" if torch.equal(first.nan_to_num(), other.nan_to_num()) else "is another one each time"
            )
            remedy = "give it values (torch.empty has none), drawn from PyTorch's, NumPy's or Python's global generator"
            _refuse(f"{name}: the initial {part} {what}", remedy)


def _require_logits(answer: object, shape: list[int], where: str) -> None:
    if not isinstance(answer, Tensor):
        _refuse(f"{where}, it gives a {type(answer).__name__}", f"logits are right, a tensor of shape {shape}")
    if list(answer.shape) != shape or not answer.is_floating_point():
        right = f"logits of shape {shape} are right, one for each sample and class"
        _refuse(f"{where}, it gives {answer.dtype} of shape {list(answer.shape)}", right)


def _require_bound(network: Network, name: str) -> None:
    """Refuse a module that has put other tensors in the place of its parameters."""
    parameters = dict(network.module.named_parameters())
    for key, values in network.layout.parameters.split(network.vector.data).items():
        if key not in parameters or parameters[key].data_ptr() != values.data_ptr():
            _refuse(f"{name}: forward puts another tensor in the place of {key}", "leave its change to the optimizer")


def _require_copied(module: nn.Module, name: str) -> None:
    """Refuse a model that cannot be copied, as it is for the malicious client and for explanations."""
    try:
        deepcopy(module)
    except Exception as error:
        wrong = f"{name} cannot be copied: {told(error)}"
        remedy = "keep locks, generators, open files and views of parameters out of it; make them in forward"
        raise ConfigError(f"model: {wrong}; {remedy}") from error


def _refuse(wrong: str, remedy: str) -> NoReturn:
    raise ConfigError(f"model: {wrong}; {remedy}")
