"""Models on any device: what they compute, how they are trained, and what explains them."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Self, get_args
from unittest.mock import patch

import torch
from torch import Tensor, nn

from fedlens.core.random import Address
from fedlens.core.registry import name_of
from fedlens.data.dataset import Samples
from fedlens.explanations.explaining import explain
from fedlens.explanations.methods.method import Method
from fedlens.models.dropout import Dropout
from fedlens.models.evaluation import quality
from fedlens.models.head import Prediction
from fedlens.models.initial_model import InitialModel
from fedlens.models.metrics import Metric, measure
from fedlens.models.model import Model
from fedlens.models.network import Network
from fedlens.models.stacking import find_stack
from fedlens.training.augmentation import CHANGES
from fedlens.training.local import LocalTraining, train
from fedlens.training.losses import LOSSES
from fedlens.training.optimizer_options import OPTIMIZERS
from fedlens.training.stacked import StackedClient, train_stacked
from helpers.moving import moved, normal

SHAPES: Mapping[str, tuple[int, ...]] = {
    "census-mlp": (6,),
    "char-lstm": (5,),
    "paper-cnn": (1, 28, 28),
    "small": (1, 28, 28),
    "tiny": (1, 9, 9),
}
"""Shapes of what a model is given, where small pictures in colour do not suit it."""

OPTIONS: Mapping[str, dict[str, Any]] = {"char-lstm": {"hidden": 8}}

VARIANTS: Mapping[str, list[dict[str, Any]]] = {"model": [{"name": "resnet8", "norm": "batch"}]}

CLASSES = 4


def samples(shape: tuple[int, ...], count: int = 12) -> Samples:
    """Inputs, of whole numbers where they are a sequence of them, and classes."""
    x = normal(5, count, *shape)
    return Samples((x.abs() * 2).long().clamp(max=CLASSES - 1) if shape == (5,) else x, torch.arange(count) % CLASSES)


def model(chosen: Model, device: torch.device) -> object:
    """A step of training, and an evaluation; by PyTorch's own layers on the CPU, too, as where one is hooked."""
    shape = SHAPES.get(name_of("model", chosen), (3, 8, 8))
    some: Samples = moved(samples(shape, 4), device)
    network = InitialModel(
        chosen, shape, CLASSES, Address.root(4), device, samples=some.take(torch.arange(2))
    ).network()
    for layer in network.module.modules() if device.type == "cpu" else ():
        layer.register_forward_hook(lambda *_: None)
    plan = LocalTraining(steps=1, batch_size=4, optimizer="sgd")
    update = train(network, network.state(), some, plan, Address.root(5))
    return [update, network.log_probabilities(some.x)]


def pictures(device: torch.device) -> Network:
    """A network for pictures of one colour, with what explanations go through, and dropout."""
    torch.manual_seed(3)
    layers = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), Dropout(0.25), nn.Linear(36, CLASSES)
    return Network(nn.Sequential(*layers).to(device))


def method(chosen: Method, device: torch.device) -> object:
    """What explains three pictures, in this thread: no other knows of a pretended device."""
    x: Tensor = moved(samples((1, 8, 8), 3).x, device)
    with patch("fedlens.explanations.explaining.ThreadPoolExecutor", ThisThread):
        return [explain(pictures(device).module, x, target, chosen) for target in (None, [0, 1, 2])]


class ThisThread:
    """A pool that works where it is."""

    def __init__(self, count: int) -> None:
        self.map = map

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def training(plan: LocalTraining, device: torch.device) -> object:
    """A client that trains alone, and three that train in a stack."""
    some: Samples = moved(samples((1, 8, 8)), device)
    network = pictures(device)
    if plan.loss == "mse":
        some = Samples(some.x, some.y.float())
        network = Network(nn.Sequential(nn.Flatten(), nn.Linear(64, 1), Prediction()).to(device))
    weights = network.state()
    alone = train(network, weights, some, plan, Address.root(1), members=torch.arange(3, 12))
    clients = [StackedClient(Address.root(row), torch.arange(row, 12), some) for row in (1, 2, 6)]
    make = find_stack(network, (1, 8, 8))
    return [alone, train_stacked(make(network, weights, len(clients)), weights, plan, clients)]


def dense(device: torch.device) -> object:
    """Clients with a dense network in a stack."""
    some: Samples = moved(samples((6,)), device)
    torch.manual_seed(3)
    network = Network(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), Dropout(0.5), nn.Linear(8, CLASSES)).to(device))
    plan = LocalTraining(epochs=1, batch_size=5)
    clients = [StackedClient(Address.root(row), torch.arange(row, 12), some) for row in (1, 6)]
    stack = find_stack(network, (6,))(network, network.state(), len(clients))
    return train_stacked(stack, network.state(), plan, clients)


def metrics(device: torch.device) -> object:
    some: Samples = moved(samples((4,), 40), device)
    log_probabilities = some.x.log_softmax(dim=1)
    return [asdict(quality(log_probabilities, some.y)), measure(get_args(Metric), log_probabilities, some.y)]


MODELS: Mapping[str, tuple[type, Callable[[Any, torch.device], object]]] = {
    "model": (Model, model),
    "method": (Method, method),
}


def plans() -> list[LocalTraining]:
    """Local training with each optimizer, loss and augmentation."""
    common: dict[str, Any] = {"epochs": 2, "batch_size": 4, "learning_rate": 0.05}
    weighed = {"label_smoothing": 0.1, "class_weights": [1, 2, 3, 4]}
    momentum = {"name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}
    changes: list[dict[str, Any]] = [
        *({"optimizer": name} for name in OPTIMIZERS),
        {"optimizer": momentum},
        *({"augmentation": [name]} for name in CHANGES),
        *(
            {"loss": {"name": name, **weighed} if "class_weights" in LOSSES[name].model_fields else name}
            for name in LOSSES
        ),
    ]
    return [LocalTraining(**{**common, **change}) for change in changes]
