"""What holds for every method: it leaves the model alone, and a sample's map does not depend on the batch."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fedlens import explain
from fedlens.core.errors import ConfigError, ExplanationError
from fedlens.core.registry import known
from fedlens.explanations.methods.gradients import IntegratedGradients
from fedlens.explanations.methods.method import Method
from fedlens.models.cnn import PaperCnn, SmallCnn, TinyCnn
from fedlens.models.mlp import CensusMlp
from fedlens.models.model import Model
from fedlens.models.network import Network

METHODS = sorted(known("method"))
MODELS: dict[str, tuple[Model, tuple[int, ...]]] = {
    "tiny": (TinyCnn(), (1, 28, 28)),
    "small": (SmallCnn(), (2, 20, 20)),
    "paper": (PaperCnn(), (1, 12, 12)),
    "census": (CensusMlp(), (9,)),
}


def made(name: str, samples: int = 3) -> tuple[nn.Module, Tensor]:
    model, shape = MODELS[name]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = model.build(shape, 4).double()
        for parameter in module.parameters():
            if parameter.dim() == 1:
                nn.init.normal_(parameter, std=0.05)
        return module, torch.rand(samples, *shape, dtype=torch.float64)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("method", METHODS)
def test_batch_and_single_sample_agree(method: str, name: str) -> None:
    model, x = made(name)
    together = explain(model, x, [0, 1, 2], method)
    assert together.shape == x.shape
    assert together.isfinite().all()
    alone = torch.cat([explain(model, x[i : i + 1], i, method) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-12)
    assert together.count_nonzero() > 0


@pytest.mark.parametrize("method", METHODS)
def test_the_faster_layers_are_explained_as_the_plain_ones(method: str) -> None:
    model, x = made("small", 2)
    plain = nn.Sequential(*model.children())
    torch.testing.assert_close(explain(model, x, 1, method), explain(plain, x, 1, method), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_the_model_is_left_as_it_was(method: str) -> None:
    network = Network(made("paper")[0].float())
    model, x = network.module.train(), made("paper")[1].float()
    calls: list[str] = []
    model[0].register_forward_hook(lambda *_: calls.append("mine"))
    network.gradient.fill_(7)
    before = network.vector.detach().clone()
    hooks = [dict(layer._forward_hooks) for layer in model.modules()]
    attributes = [set(vars(layer)) for layer in model.modules()]
    explain(model, x, 0, method)
    assert network.vector.equal(before)
    assert network.gradient.eq(7).all()
    assert all(p.grad is not None and p.requires_grad for p in model.parameters())
    assert next(model.parameters()).data_ptr() == network.vector.data_ptr()
    assert all(layer.training for layer in model.modules())
    assert [dict(layer._forward_hooks) for layer in model.modules()] == hooks
    assert [set(vars(layer)) for layer in model.modules()] == attributes
    assert not any(layer._backward_hooks or layer._forward_pre_hooks for layer in model.modules())
    assert not x.requires_grad


def test_the_class_that_the_model_predicts_is_explained_unless_another_is_named() -> None:
    model, x = made("tiny", 8)
    predicted = model.eval()(x).argmax(1)
    assert explain(model, x).equal(explain(model, x, predicted))
    assert not explain(model, x).equal(explain(model, x, (predicted + 1) % 4))


@pytest.mark.parametrize("method", ["smoothgrad", "lrp-epsilon", "guided-backprop"])
def test_neither_threads_nor_portions_change_a_map(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = made("tiny", 12)
    one = explain(model, x, 2, method, threads=1)
    monkeypatch.setattr("fedlens.explanations.explaining._AT_ONCE", 25)
    done: list[int] = []
    torch.testing.assert_close(explain(model, x, 2, method, threads=3, progress=done.append), one)
    assert sum(done) == 12


@pytest.mark.parametrize("name", MODELS)
def test_integrated_gradients_add_up_to_the_difference_of_the_logits(name: str) -> None:
    model, x = made(name, 6)
    with torch.no_grad():
        wanted = (model.eval()(x) - model(torch.zeros_like(x)))[:, 1]
    plain = explain(model, x, 1, IntegratedGradients(steps=4)).flatten(1).sum(1)
    assert ((plain - wanted) / wanted).abs().max() > 0.01
    enough = explain(model, x, 1, IntegratedGradients(steps=4, tolerance=0.01)).flatten(1).sum(1)
    assert ((enough - wanted) / wanted).abs().max() < 0.01
    assert (
        (explain(model, x, 1, "integrated-gradients").flatten(1).sum(1) - wanted).abs().sum() / wanted.abs().sum()
    ) < 0.05


@pytest.mark.parametrize("method", ["lrp-z", "lrp-gamma", "lrp-alpha1-beta0", "deep-taylor"])
@pytest.mark.parametrize("name", MODELS)
def test_without_biases_relevances_add_up_to_the_logit(name: str, method: str) -> None:
    model, x = made(name)
    for parameter in model.parameters():
        if parameter.dim() == 1:
            nn.init.zeros_(parameter)
    total = explain(model, x, 1, method).flatten(1).sum(1)
    torch.testing.assert_close(total, model.eval()(x)[:, 1].detach(), rtol=1e-5, atol=1e-6)


class Own(nn.Module):
    """A user's model that calls ReLU as a function."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(functional.relu(self.first(x)))


class Twice(nn.Module):
    """A user's model that uses a layer twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.relu = nn.Linear(4, 4), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.relu(self.layer(self.relu(x))))


@pytest.mark.parametrize("method", ["gradient", "integrated-gradients", "occlusion", "lrp-z", "deep-taylor"])
def test_a_users_model_is_explained(method: str) -> None:
    layered = nn.Sequential(own := Own().double())
    same = nn.Sequential(own.first, nn.ReLU(), own.last)
    x = torch.rand(2, 4, dtype=torch.float64)
    torch.testing.assert_close(explain(layered, x, 1, method), explain(same, x, 1, method))


@pytest.mark.parametrize("method", ["deconvnet", "guided-backprop"])
@pytest.mark.parametrize("model", [Own(), Twice(), nn.Linear(4, 3)])
def test_a_relu_that_is_no_layer_of_its_own_is_refused(model: nn.Module, method: str) -> None:
    with pytest.raises(ExplanationError, match="a layer for each, used once"):
        explain(model, torch.rand(2, 4), 0, method)


@pytest.mark.parametrize("method", ["lrp-z", "lrp-epsilon", "lrp-gamma", "lrp-alpha1-beta0", "deep-taylor"])
@pytest.mark.parametrize(
    "model", [Twice(), nn.Sequential(nn.Linear(4, 4), nn.GroupNorm(2, 4)), nn.Sequential(nn.ReLU())]
)
def test_a_model_that_relevance_cannot_pass_is_refused(model: nn.Module, method: str) -> None:
    with pytest.raises(ExplanationError, match="propagate"):
        explain(model, torch.rand(2, 4), 0, method)


class Halves(Method):
    """A method from elsewhere."""

    share: float = 0.5

    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        return inputs * self.share


def test_anybody_can_bring_a_method() -> None:
    model, x = made("census")
    assert explain(model, x, 0, Halves(share=0.25)).equal(x / 4)


def wrong() -> Iterator[tuple[Tensor, object, object, str]]:
    x = torch.rand(3, 9, dtype=torch.float64)
    yield x, 4, "gradient", "there is no class 4; the model has classes 0 to 3"
    yield x, -1, "gradient", "there is no class -1"
    yield x, [0, 1], "gradient", r"target: expected the number of a class, or 3 of them, not .* \[2\]"
    yield x, torch.rand(3), "gradient", "target: expected"
    yield x[:0], 0, "gradient", "inputs: expected numbers of floating point"
    yield x.long(), 0, "gradient", "inputs: expected numbers of floating point"
    yield x[:, :5], 0, "gradient", r"does not take inputs of shape \[3, 5\]"
    yield x.float(), 0, "gradient", "does not take inputs"
    yield x * float("nan"), 0, "gradient", "logits are not finite"


@pytest.mark.parametrize(("x", "target", "method", "message"), list(wrong()))
def test_what_does_not_fit_is_refused(x: Tensor, target: int, method: str, message: str) -> None:
    with pytest.raises(ExplanationError, match=message):
        explain(made("census")[0], x, target, method)


def test_an_unknown_method_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean smoothgrad"):
        explain(made("census")[0], torch.rand(1, 9), 0, "smothgrad")


def test_something_else_than_logits_is_refused() -> None:
    with pytest.raises(ExplanationError, match=r"expected logits \[2, classes\], not \[2, 3, 1\]"):
        explain(nn.Unflatten(1, (3, 1)), torch.rand(2, 3), 0)


class Prelude(nn.Module):
    """Halves its input, in place or not."""

    def __init__(self, private: bool) -> None:
        super().__init__()
        self.private = private

    def forward(self, x: Tensor) -> Tensor:
        return (x.clone() if self.private else x).mul_(0.5)


class Scribbles(Method):
    """A method that writes into whatever it gets."""

    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        found = inputs.clone()
        inputs.zero_()
        classes.zero_()
        return found


@pytest.mark.parametrize("method", [*METHODS, Scribbles()], ids=str)
def test_a_model_or_method_that_works_in_place_changes_no_input(method: str | Method) -> None:
    layers = made("census")[0]
    x, target = torch.rand(3, 9, dtype=torch.float64), torch.tensor([0, 1, 2])
    before = x.clone(), target.clone()
    maps = []
    for private in (True, False):
        try:
            maps.append(explain(nn.Sequential(Prelude(private), *layers), x, target, method))
        except ExplanationError as error:  # some methods take no layer that they do not know
            maps.append(torch.tensor(len(str(error))))
        assert torch.equal(x, before[0])
        assert torch.equal(target, before[1])
    assert torch.equal(*maps)
