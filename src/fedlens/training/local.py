"""Local training of an honest client.

McMahan et al., *Communication-Efficient Learning of Deep Networks from Decentralized Data* (AISTATS 2017): `E` epochs
of mini-batches of `B` over the client's own shard, with a fresh optimizer every round. The last, short batch of an
epoch is trained on like the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from math import ceil, floor
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from fedlens.core.config import Config
from fedlens.core.errors import ConfigError
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.dataset import Dataset, Samples
from fedlens.kernels.loss import Criterion
from fedlens.models.network import Network
from fedlens.training.augmentation import Augmentation, Augmenter, require_images
from fedlens.training.losses import Binary, LossField, MeanSquaredError, loss_of
from fedlens.training.optimizer_options import OptimizerField, optimizer_options
from fedlens.training.optimizers import Optimizer, Variable
from fedlens.training.proximal import Proximal
from fedlens.training.schedules import ScheduleField, factor

if TYPE_CHECKING:
    from torch import Tensor


class LocalTraining(Config):
    """A plan of local training.

    Attributes:
        epochs: passes over the shard (E); a fraction means that share of the batches, at least one.
        steps: a fixed number of batches instead of `epochs`.
        batch_size: samples in a batch (B); 100 is the paper's for Fashion-MNIST; the census presets use 50.
        replacement: draw the samples of every batch independently, with replacement, instead of going through a
            permutation of the shard; every batch is then full, however few samples a client has.
        optimizer: ``adam``, ``sgd`` or ``adamw``, or one with options, as ``{name: sgd, momentum: 0.9}``.
        learning_rate: the optimizer's learning rate.
        schedule: how that changes from round to round: ``constant``, ``{name: step, every: 10}``, ``exponential`` or
            ``{name: cosine, rounds: 10}``, each with a ``warm_up``.
        loss: what training minimises: ``cross-entropy``, or ``binary`` from one logit, each with ``label_smoothing``
            and ``class_weights``; ``mse`` of quantities, for which it is the default.
        augmentation: how each batch of images is changed: ``flip``, ``crop``, or both.
        proximal: how strongly a client is held near the global model that it has received (μ of FedProx): its loss
            has the term μ/2 ‖w − w_G‖² as well. Attacks with a loss of their own do without.
        client_momentum: what a client's update keeps of what it sent before (β): it sends (1 - β) δ + β m.
        buffers: what becomes of buffers that training changes, such as running statistics: ``average`` sends them with
            the parameters, and the server combines them; with ``local`` each client keeps its own.
        precision: ``full``, or ``bf16`` for mixed precision, on GPUs that have it.

    Example:
        >>> from fedlens import LocalTraining
        >>> LocalTraining(epochs=2, batch_size=100).sizes_for(250)
        [100, 100, 50, 100, 100, 50]
    """

    later: ClassVar[frozenset[str]] = frozenset(
        {"schedule", "loss", "augmentation", "proximal", "client_momentum", "buffers", "precision"}
    )

    epochs: PositiveFloat | None = 5
    steps: PositiveInt | None = None
    batch_size: PositiveInt = 100
    replacement: bool = False
    optimizer: OptimizerField = "adam"
    learning_rate: float = Field(default=1e-3, gt=0)
    schedule: ScheduleField = "constant"
    loss: LossField = "cross-entropy"
    augmentation: Augmentation = ()
    proximal: float = Field(default=0.0, ge=0)
    client_momentum: float = Field(default=0.0, ge=0, lt=1)
    buffers: Literal["average", "local"] = "average"
    precision: Literal["full", "bf16"] = "full"

    @model_validator(mode="before")
    @classmethod
    def _steps_replace_default_epochs(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("steps") is not None and "epochs" not in values:
            return {**values, "epochs": None}
        return values

    @model_validator(mode="after")
    def _one_of_epochs_and_steps(self) -> LocalTraining:
        if (self.epochs is None) == (self.steps is None):
            remedy = "-o local.epochs=5" if self.steps is None else "-o local.epochs=null"
            raise ValueError(f"give either epochs or steps and set the other to null; e.g. {remedy}")
        return self

    def steps_for(self, samples: int) -> int:
        """Return number of batches that a client with this many samples trains on in a round.

        Raises:
            ValueError: there are no samples.
        """
        if samples == 0:
            raise ValueError("a client without samples cannot train")
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return max(1, floor(self.epochs * ceil(samples / self.batch_size) + 0.5))

    def sizes_for(self, samples: int) -> list[int]:
        """Return sizes of the batches that a client with this many samples trains on in a round."""
        whole, rest = divmod(samples, self.batch_size)
        if self.replacement:
            return [self.batch_size] * self.steps_for(samples)
        each_pass = [self.batch_size] * whole + [rest] * (rest > 0)
        return list(islice(cycle(each_pass), self.steps_for(samples)))

    def shortened(self, work: float) -> LocalTraining:
        """Return the same training on this part of its batches, at least one."""
        if work == 1:
            return self
        if self.epochs is not None:
            return self.over(self.epochs * work)
        assert self.steps is not None
        return self.model_copy(update={"steps": max(1, floor(self.steps * work + 0.5))})

    def over(self, epochs: float) -> LocalTraining:
        """Return the same training for another number of passes over the shard."""
        return self.model_copy(update={"epochs": epochs, "steps": None})

    @property
    def is_binary(self) -> bool:
        """True if the model has one logit for two classes."""
        return isinstance(loss_of(self.loss), Binary)

    @property
    def is_regression(self) -> bool:
        """True if the loss is one of quantities."""
        return isinstance(loss_of(self.loss), MeanSquaredError)

    @property
    def criterion(self) -> Criterion:
        """The loss as a function; of one that depends on the data, after `fitted`."""
        return loss_of(self.loss).criterion()

    def fitted(self, dataset: Dataset) -> LocalTraining:
        """Return the plan with what depends on the data.

        Raises:
            ConfigError: it does not suit the data.
        """
        require_images(self.augmentation, dataset.shape)
        if (fault := loss_fault(self.is_regression, regression=dataset.quantity is not None)) is not None:
            raise ConfigError(fault)
        loss = loss_of(self.loss).fitted(dataset.train.y, len(dataset.classes))
        return self if loss == loss_of(self.loss) else self.model_copy(update={"loss": loss})

    def in_round(self, round_: int) -> LocalTraining:
        """Return the plan of one round, from 1, whose learning rate is the schedule's."""
        if self.schedule == "constant":
            return self
        rate = self.learning_rate * factor(self.schedule, round_)
        return self.model_copy(update={"learning_rate": rate, "schedule": "constant"})

    def described(self, option: str) -> Any:
        """Return the value of an option as plain values."""
        return self.model_dump(mode="json", include={option})[option]

    def new_optimizer(self, variable: Variable) -> Optimizer:
        """Create an optimizer of `variable`, such as a network, without memory of earlier rounds."""
        return optimizer_options(self.optimizer).new(variable, self.learning_rate)

    def new_held_optimizer(self, variable: Variable) -> Optimizer:
        """Create the same, which also holds the variable near what it is now, if `proximal` says so."""
        optimizer = self.new_optimizer(variable)
        return Proximal(optimizer, variable, self.proximal) if self.proximal else optimizer


def loss_fault(of_quantities: bool, *, regression: bool) -> str | None:
    """Say why a loss, of quantities or of classes, does not suit the data; ``None`` if it does."""
    if of_quantities == regression:
        return None
    if regression:
        return "local.loss: is one of classes, but the labels of these data are quantities; e.g. -o local.loss=mse"
    return "local.loss: mse is for quantities, but these data have classes; e.g. -o local.loss=cross-entropy"


def draws(members: Tensor, plan: LocalTraining, address: Address) -> Iterator[Tensor]:
    """Yield which samples are in each batch of a round: `members` permuted, again and again, or drawn with replacement.

    Args:
        members: indices of the client's samples, shape ``[m]``, int64.
        plan: how many batches, of how many samples, drawn in which way.
        address: the address of the client's draws in this round.

    Yields:
        Indices, shape ``[b]``; b is the batch size, or less in the last batch of a permutation.
    """
    generator = address.at("shuffle").generator()
    left, size, count = plan.steps_for(len(members)), plan.batch_size, len(members)
    while left > 0:
        if plan.replacement:
            positions = generator.integers(count, size=ceil(count / size) * size)
        else:
            positions = generator.permutation(count)
        for batch in torch.split(members[torch.from_numpy(positions)], size)[:left]:
            yield batch
            left -= 1


def batches(
    samples: Samples, plan: LocalTraining, address: Address, members: Tensor | None = None
) -> Iterator[Samples]:
    """Yield the batches of a round that `draws` chooses from `members` of `samples`, by default all, augmented."""
    chosen, augmented = (
        torch.arange(len(samples)) if members is None else members,
        Augmenter(plan.augmentation, address),
    )
    for indices in draws(chosen, plan, address):
        batch = samples.take(indices)
        yield Samples(augmented(batch.x), batch.y)


def train(
    network: Network,
    weights: Tensor,
    samples: Samples,
    plan: LocalTraining,
    address: Address,
    *,
    members: Tensor | None = None,
) -> Tensor:
    """Train from `weights` (shape ``[d]``) on `samples`, or on its `members`.

    Returns:
        The update δ = w − `weights`, shape ``[d]``.
    """
    network.load(weights)
    optimizer, criterion = plan.new_held_optimizer(network), plan.criterion
    with network.training(address):
        for batch in batches(samples, plan, address, members):
            network.backward(batch.x, batch.y, criterion=criterion)
            optimizer.step()
    return network.state() - weights
