"""Explanations against captum, called directly."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fedlens import explain
from fedlens.models.cnn import SmallCnn

attr = pytest.importorskip("captum.attr")
lrp_rules = pytest.importorskip("captum.attr._utils.lrp_rules")


class Flat(nn.Module):
    """The small network with a flattening that captum's relevance propagation does not see."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        found = list(layers.children())
        self.features, self.classifier = nn.Sequential(*found[:6]), nn.Sequential(*found[7:])

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))


@pytest.fixture(scope="module")
def model() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SmallCnn().build((1, 28, 28), 10).eval()


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(1))


DIRECTLY: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "gradient": lambda model, x: attr.Saliency(model).attribute(x, target=3, abs=False),
    "input-times-gradient": lambda model, x: attr.InputXGradient(model).attribute(x, target=3),
    "integrated-gradients": lambda model, x: attr.IntegratedGradients(model).attribute(x, target=3, n_steps=64),
    "deconvnet": lambda model, x: attr.Deconvolution(model).attribute(x, target=3),
    "guided-backprop": lambda model, x: attr.GuidedBackprop(model).attribute(x, target=3),
    "occlusion": lambda model, x: attr.Occlusion(model).attribute(x, (1, 4, 4), (1, 4, 4), target=3),
}
RULES: dict[str, Callable[[], Any]] = {
    "lrp-z": lrp_rules.EpsilonRule,
    "lrp-epsilon": lambda: lrp_rules.EpsilonRule(1.0),
    "lrp-gamma": lambda: lrp_rules.GammaRule(0.25),
    "lrp-alpha1-beta0": lambda: lrp_rules.Alpha1_Beta0_Rule(set_bias_to_zero=True),
}


@pytest.mark.parametrize("method", DIRECTLY)
def test_as_captum_says(method: str, model: nn.Module, x: Tensor) -> None:
    found = explain(model, x, 3, method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        wanted = DIRECTLY[method](model, x.clone())
    assert (found - wanted).abs().max() <= 1e-6
    assert wanted.abs().max() > 1e-3


@pytest.mark.parametrize("method", RULES)
def test_relevances_as_captum_says(method: str, model: nn.Module, x: Tensor) -> None:
    flat, x = Flat(model), 10 * x  # so that logits are not small beside ε
    for layer in flat.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            layer.rule = RULES[method]()
    found = explain(model, x, 3, method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        wanted = attr.LRP(flat).attribute(x.clone(), target=3)
    assert (found - wanted).abs().max() <= 1e-6
    assert wanted.abs().max() > 1e-4


def test_of_one_sample_smoothgrad_is_the_noise_tunnel(model: nn.Module, x: Tensor) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tunnel = attr.NoiseTunnel(attr.Saliency(model))
        wanted = tunnel.attribute(x[:1].clone(), nt_samples=25, stdevs=0.1, target=3, abs=False)
    assert (explain(model, x, 3, "smoothgrad")[:1] - wanted).abs().max() <= 1e-6
