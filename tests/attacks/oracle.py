"""The attacks as loops that anyone would write in PyTorch from the paper's text.

Ordinary modules, optimizers and autograd; the package lends the order of its batches, whose draws are addressed, and
nothing else. Every loop gives an update of shape ``[d]``.
"""

from collections.abc import Callable
from math import ceil
from typing import Any

import torch
from attacker import two_layers
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from fedlens.attacks.attack import View
from fedlens.core.random import Address
from fedlens.training.local import LocalTraining, batches

KINDS: dict[str, Any] = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


class Plain:
    """A module with ordinary parameters."""

    def __init__(self, weights: Tensor, make: Callable[[], nn.Module] = two_layers) -> None:
        self.module = make()
        vector_to_parameters(weights.clone(), self.module.parameters())

    @property
    def vector(self) -> Tensor:
        return parameters_to_vector(self.module.parameters()).detach().clone()

    def optimizer(self, local: LocalTraining) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = KINDS[local.optimizer](self.module.parameters(), lr=local.learning_rate)
        return optimizer

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(self.module(x), y)


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def honest(view: View, plan: LocalTraining, address: Address, weights: Tensor | None = None) -> Tensor:
    """Training on the shard from `weights`, by default from where the view begins."""
    start = view.weights if weights is None else weights
    plain = Plain(start)
    optimizer = plain.optimizer(plan)
    for batch in batches(view.shard, plan, address):
        descend(optimizer, plain.loss(batch.x, batch.y))
    return plain.vector - start


def explicit(view: View, steps: int, make: Callable[[], nn.Module] = two_layers, *, skip: bool = True) -> Tensor:
    """The displacement before it is boosted; not to `skip` a step without loss is a mistake."""
    plain, wanted = Plain(view.weights, make), view.auxiliary
    optimizer = plain.optimizer(view.local)
    for _ in range(steps):
        loss = plain.loss(wanted.x, wanted.target)
        if loss > 0 or not skip:
            descend(optimizer, loss)
    return plain.vector - view.weights


def ascent(view: View, steps: int, ceiling: float) -> Tensor:
    """Gradient ascent on the shard, batch by batch, but not on a batch whose loss is above `ceiling`."""
    plain = Plain(view.weights)
    optimizer = plain.optimizer(view.local)
    plan = view.local.model_copy(update={"epochs": None, "steps": steps})
    for batch in batches(view.shard, plan, view.address.at("untargeted")):
        loss = plain.loss(batch.x, batch.y)
        if loss < ceiling:
            descend(optimizer, -loss)
    return plain.vector - view.weights


def implicit(view: View, steps: int, factor: float) -> Tensor:
    """Autograd finds the gradient with respect to the update through the averaging."""
    module, wanted = two_layers(), view.auxiliary
    update = torch.zeros_like(view.weights, requires_grad=True)
    optimizer = KINDS[view.local.optimizer]([update], lr=view.local.learning_rate)
    names, shapes = zip(*[(name, value.shape) for name, value in module.named_parameters()], strict=True)
    for _ in range(steps):
        pieces = (view.weights + update / factor).split([shape.numel() for shape in shapes])
        weights = {name: piece.view(shape) for name, piece, shape in zip(names, pieces, shapes, strict=True)}
        descend(optimizer, functional.cross_entropy(functional_call(module, weights, wanted.x), wanted.target))
    return update.detach()


def simultaneous(view: View, epochs: float) -> Tensor:
    """The displacement before it is boosted."""
    plain, wanted = Plain(view.weights), view.auxiliary
    optimizer = plain.optimizer(view.local)
    for batch in batches(view.shard, view.local.over(epochs), view.address):
        x, y = torch.cat([batch.x, wanted.x]), torch.cat([batch.y, wanted.target])
        descend(optimizer, plain.loss(x, y))
    return plain.vector - view.weights


def distance(norm: str, update: Tensor, reference: Tensor) -> Tensor:
    """The three norms, each written in another way than the package's."""
    if norm == "l2":
        return sum((one - other) ** 2 for one, other in zip(update, reference, strict=True)) / 2  # type: ignore[return-value]
    if norm == "wasserstein":
        mine, theirs = update[update.argsort()], reference[reference.argsort()]
        return functional.l1_loss(mine, theirs, reduction="sum")
    centres = torch.linspace(-0.2, 0.2, 501, dtype=update.dtype)

    def shares(entries: Tensor) -> Tensor:
        tents = 1 - (entries.clamp(-0.2, 0.2)[:, None] - centres).abs() * 500 / 0.4
        return tents.clamp(min=0).sum(dim=0)

    apart = torch.arange(-20, 521)[:, None] - torch.arange(501)
    spread = torch.exp(-((apart / 5) ** 2) / 2) * (apart.abs() <= 20)
    spread = (spread / spread[:, 250].sum()).to(update.dtype)
    return (spread @ (shares(update) - shares(reference))).abs().sum() / 2


def reference(view: View, kind: str, epochs: float, estimate: Tensor | None = None) -> Tensor:
    """The weights near which the constraint keeps the benign steps."""
    if kind == "global":
        return view.received
    if kind == "others":
        return view.received + (0 if estimate is None else estimate)
    longest = max(epochs, view.local.epochs or 0)
    return view.weights + honest(view, view.local.over(longest), view.address.at("reference"))


def alternating(
    view: View,
    *,
    epochs: float,
    factor: float,
    order: str = "benign-first",
    ls: int = 10,
    malicious_steps: int = 1,
    weights_only: bool = False,
    near: Tensor | None = None,
    norm: str = "l2",
    rho: float = 0.0,
    fresh: bool = False,
    common: bool = False,
    skip: bool = True,
) -> Tensor:
    """The last three arguments are mistakes: optimizers anew in each epoch, one for both losses, no step skipped."""
    plain, wanted = Plain(view.weights), view.auxiliary
    touched = [not weights_only or name.endswith("weight") for name, _ in plain.module.named_parameters()]
    per_epoch = ceil(len(view.shard) / view.local.batch_size)

    def chosen(vector: Tensor) -> Tensor:
        pieces = vector.split([parameter.numel() for parameter in plain.module.parameters()])
        return torch.cat([piece for piece, touch in zip(pieces, touched, strict=True) if touch])

    def malicious_turn() -> None:
        before = [parameter.detach().clone() for parameter in plain.module.parameters()]
        for _ in range(malicious_steps):
            loss = plain.loss(wanted.x, wanted.target)
            if loss.item() != 0 or not skip:
                descend(malicious, loss)
        with torch.no_grad():
            for parameter, start, touch in zip(plain.module.parameters(), before, touched, strict=True):
                parameter.copy_(start + (factor if touch else 1) * (parameter - start))

    benign, malicious = plain.optimizer(view.local), plain.optimizer(view.local)
    for number, batch in enumerate(batches(view.shard, view.local.over(epochs), view.address)):
        if fresh and number % per_epoch == 0:
            benign, malicious = plain.optimizer(view.local), plain.optimizer(view.local)
        if common:
            malicious = benign
        if order == "malicious-first" and number % per_epoch == 0:
            malicious_turn()
        loss = plain.loss(batch.x, batch.y)
        if near is not None:
            present = parameters_to_vector(plain.module.parameters())
            loss = loss + rho * distance(norm, chosen(present - view.received), chosen(near - view.received))
        descend(benign, loss)
        if order == "benign-first" and (number + 1) % ls == 0:
            malicious_turn()
    return plain.vector - view.weights


def poisoning(view: View, copies: int) -> Tensor:
    """The displacement before it is boosted."""
    wanted = view.auxiliary
    x = torch.cat([view.shard.x] + [wanted.x] * copies)
    y = torch.cat([view.shard.y] + [wanted.target] * copies)
    plain = Plain(view.weights)
    optimizer = plain.optimizer(view.local)
    generator = view.address.at("shuffle").generator()
    for _ in range(int(view.local.epochs or 0)):
        order = torch.from_numpy(generator.permutation(len(x)))
        for batch in order.split(view.local.batch_size):
            descend(optimizer, plain.loss(x[batch], y[batch]))
    return plain.vector - view.weights
