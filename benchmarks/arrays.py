"""A benign experiment with a dense network as NumPy arrays: what contenders without PyTorch work with.

Neither fedlens nor PyTorch is imported here, as their environments have neither.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from task import Task
    from torch import nn

Array = NDArray[Any]
Layers = list[tuple[Array, Array]]
"""Weights ``[inputs, outputs]`` and biases ``[outputs]`` of each layer; ReLU and dropout follow all but the last."""

DENSE = ["Linear", "ReLU", "Dropout"]


@dataclass(frozen=True)
class Arrays:
    """Data, network and hyper-parameters, as in `task.Task`.

    Attributes:
        layers: the initial network.
        drop: the probability of dropping a hidden activation.
        shards: inputs and classes of each client.
        test: inputs and classes of the test set.
        cohort_size: clients chosen in a round.
        epochs: passes over the shard in a round (E).
        batch_size: samples in a batch (B).
        learning_rate: of Adam.
    """

    layers: Layers
    drop: float
    shards: list[tuple[Array, Array]]
    test: tuple[Array, Array]
    cohort_size: int
    epochs: int
    batch_size: int
    learning_rate: float


def save(task: "Task", path: Path) -> None:
    """Write a task of PyTorch's where other processes can `load` it.

    Raises:
        TypeError: its network has other layers than a dense one with dropout after each ReLU.
    """
    first, *layers = cast("nn.Sequential", task.model)
    kinds = [type(layer).__name__ for layer in layers]
    if type(first).__name__ != "Flatten" or len(kinds) % len(DENSE) != 1 or kinds != (DENSE * len(kinds))[: len(kinds)]:
        raise TypeError(f"{task.model} is no dense network with dropout after each ReLU")
    values: dict[str, Any] = {}
    for number, linear in enumerate(cast("list[nn.Linear]", layers[:: len(DENSE)])):
        values[f"weight{number}"] = linear.weight.detach().numpy().T
        values[f"bias{number}"] = linear.bias.detach().numpy()
    values["drop"] = cast("nn.Dropout", layers[2]).p
    for name, pairs in {"train": task.shards, "test": task.test}.items():
        values[f"{name}_x"] = np.concatenate([x.flatten(1).numpy() for x, _ in pairs])
        values[f"{name}_y"] = np.concatenate([y.numpy() for _, y in pairs]).astype(np.int32)
    values["sizes"] = [len(y) for _, y in task.shards]
    for name in ("cohort_size", "epochs", "batch_size", "learning_rate"):
        values[name] = getattr(task, name)
    with path.open("wb") as file:
        np.savez(file, **values)


def load(path: Path) -> Arrays:
    """Read what `save` wrote."""
    with np.load(path) as values:
        count = sum(name.startswith("weight") for name in values)
        stops = np.cumsum(values["sizes"])[:-1]
        return Arrays(
            layers=[(values[f"weight{number}"], values[f"bias{number}"]) for number in range(count)],
            drop=float(values["drop"]),
            shards=list(zip(np.split(values["train_x"], stops), np.split(values["train_y"], stops), strict=True)),
            test=(values["test_x"], values["test_y"]),
            cohort_size=int(values["cohort_size"]),
            epochs=int(values["epochs"]),
            batch_size=int(values["batch_size"]),
            learning_rate=float(values["learning_rate"]),
        )
