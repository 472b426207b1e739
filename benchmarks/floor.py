"""What a round cannot take less than, by the definition of its layers: operations divided by the rate of a product."""

import time

import torch
from torch import Tensor, nn

from fedlens.experiment.setting import Setting
from fedlens.models.network import build

SIDE = 768
REPEATS = 30


def operations(setting: Setting) -> int:
    """Floating-point operations of matrix products and convolutions in a round, evaluation included.

    For each sample and layer the forward pass, the weights' gradient and the inputs' gradient cost the same; the first
    layer's inputs need none.
    """
    experiment, data = setting.experiment, setting.dataset
    module = build(experiment.model, data.shape, len(data.classes), setting.root.at("model")).eval()
    each = forward(module, data.shape)
    sizes = setting.shards.sizes.double().mean().item() * experiment.cohort_size
    assert experiment.local.epochs is not None
    training = experiment.local.epochs * sizes * (3 * sum(each) - each[0])
    return round(training + len(data.test) * sum(each))


def forward(module: nn.Module, shape: tuple[int, ...]) -> list[int]:
    """The operations of each linear and convolutional layer for one sample of this shape."""
    counts: list[int] = []

    def count(layer: nn.Module, _: tuple[Tensor, ...], out: Tensor) -> None:
        assert isinstance(layer, nn.Linear | nn.Conv2d)
        counts.append(2 * out.numel() * layer.weight[0].numel())

    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        module(torch.zeros(1, *shape))
    for hook in hooks:
        hook.remove()
    return counts


def rate() -> float:
    """Operations a second of one thread in a large product of float32 matrices, the best of several times."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    left, right, out = (torch.rand(SIDE, SIDE) for _ in range(3))
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        torch.mm(left, right, out=out)
        times.append(time.perf_counter() - began)
    torch.set_num_threads(threads)
    return 2 * SIDE**3 / min(times)
