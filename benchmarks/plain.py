"""A fedlens setting made into plain PyTorch: the same data, shards, architecture, initial weights, hyper-parameters."""

import torch
from task import Task, cut
from torch import nn

from fedlens.experiment.setting import Setting
from fedlens.models.dropout import Dropout
from fedlens.models.network import build

TEST_BLOCK = 500


def plain(module: nn.Module) -> nn.Module:
    """PyTorch's own layers in the place of fedlens', with the same parameters.

    Raises:
        TypeError: a layer has no counterpart, and the yardsticks would compute by fedlens' algorithms.
    """
    if isinstance(module, Dropout):
        return nn.Dropout(module.p)
    if isinstance(module, nn.Sequential):
        return nn.Sequential(*map(plain, module))
    if not type(module).__module__.startswith("torch."):
        raise TypeError(f"{type(module).__name__} is no layer of PyTorch's")
    return module


def make_task(setting: Setting) -> Task:
    """What a loop in plain PyTorch needs to do the same as fedlens."""
    experiment, data = setting.experiment, setting.dataset
    indices = [setting.shards.indices(client) for client in range(experiment.clients)]
    assert experiment.local.epochs is not None
    model = plain(build(experiment.model, data.shape, len(data.classes), setting.root.at("model")))
    return Task(
        model=in_layout(model, torch.contiguous_format),
        shards=[(data.train.x[index], data.train.y[index]) for index in indices],
        test=list(cut(data.test.x, data.test.y, TEST_BLOCK)),
        classes=len(data.classes),
        cohort_size=experiment.cohort_size,
        rounds=experiment.rounds,
        epochs=int(experiment.local.epochs),
        batch_size=experiment.local.batch_size,
        learning_rate=experiment.local.learning_rate,
    )


def has_images(setting: Setting) -> bool:
    """Whether an input has channels, rows and columns."""
    return len(setting.dataset.shape) == 3


def in_layout(model: nn.Module, layout: torch.memory_format) -> nn.Module:
    """`model`, whose convolutions compute in this layout from now on."""
    return model.to(memory_format=layout)  # type: ignore[call-overload,no-any-return]
