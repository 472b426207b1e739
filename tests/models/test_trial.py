"""A user's model is tried before anything runs, and what it may be is what every engine can work with."""

import random
import re
import threading
import warnings
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.calling import called
from small import small
from torch import Tensor, nn
from torch.nn import functional

import fedlens
from fedlens.core.errors import ConfigError
from fedlens.core.random import global_states
from fedlens.data.digits import Digits
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.models.model import Model


class Built(Model):
    """Whatever a test builds, from inputs of 64 pixels to 10 classes."""

    which: str

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return MODELS[self.which]()


class Wrapped(nn.Module):
    """A dense layer with something done to its logits."""

    def __init__(self, then: Callable[["Wrapped", Tensor], Any], **buffers: Tensor) -> None:
        super().__init__()
        self.layer, self.then, self.calls = nn.Linear(64, 10), then, 0
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer)

    def forward(self, x: Tensor) -> Any:
        self.calls += 1
        return self.then(self, self.layer(x.flatten(1)))


class Holding(Wrapped):
    """A dense layer beside something that cannot be copied."""

    def __init__(self, hold: Callable[[nn.Linear], object]) -> None:
        super().__init__(lambda _, logits: logits)
        self.held = hold(self.layer)


class Empty(nn.Module):
    """A parameter without entries between others, and one without dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 10)
        self.nothing = nn.Parameter(torch.empty(0, 4))
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.first(x.flatten(1)) + self.nothing.sum()


class Viewing(nn.Module):
    """A convolution by a kernel of its own, of which it takes a view."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(2, 1, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        scale = self.kernel.view(2, -1).norm(dim=1)
        return functional.conv2d(x, self.kernel / scale.view(2, 1, 1, 1))


class Attending(nn.Module):
    """Attention between the rows of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        rows = x[:, 0]
        found: Tensor = self.attention(rows, rows, rows, need_weights=False)[0]
        return found


def dense(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), *layers)


def unlike() -> nn.Module:
    module = dense()
    module[1].weight = nn.Parameter(torch.from_numpy(GENERATOR.normal(size=(10, 64))).float())
    return module


def replaced(module: Wrapped, logits: Tensor) -> Tensor:
    module.layer.weight.data = module.layer.weight.data.clone()
    return logits


def counted(module: Wrapped, logits: Tensor) -> Tensor:
    module.get_buffer("count").add_(1)
    return logits


def counted_in_training(module: Wrapped, logits: Tensor) -> Tensor:
    return counted(module, logits) if module.training else logits


def grown(module: Wrapped, logits: Tensor) -> Tensor:
    if module.training:
        module.count = torch.cat([module.get_buffer("count"), torch.zeros(1)])
    return logits


def later(module: Wrapped, logits: Tensor) -> Tensor:
    if module.training and module.calls == 2:
        module.get_buffer("late").add_(1)
    return logits


def spoilt(layer: nn.Linear) -> nn.Module:
    nn.init.constant_(layer.weight, torch.nan)
    return layer


def narrow(inputs: int, outputs: int) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTorch's, that there is nothing to initialise
        return nn.Linear(inputs, outputs)


GENERATOR = np.random.default_rng(0)
WIDTHS = count(11)
MODELS: dict[str, Callable[[], Any]] = {
    # not to be used
    "a function": lambda: torch.sin,
    "a class": lambda: nn.Linear,
    "nothing": lambda: None,
    "no parameters": nn.Flatten,
    "an empty parameter alone": lambda: nn.ParameterList([nn.Parameter(torch.empty(0))]),
    "lazy": lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(10)),
    "on no device": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10, device="meta")),
    "two types": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Linear(10, 10).double()),
    "complex": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10, dtype=torch.complex64)),
    "NaN": lambda: nn.Sequential(nn.Flatten(), spoilt(nn.Linear(64, 10))),
    "drawn elsewhere": unlike,
    "other layers each time": lambda: dense(nn.Linear(10, next(WIDTHS)), nn.Tanh()),
    "other inputs": lambda: nn.Sequential(nn.Flatten(), nn.Linear(65, 10)),
    "double": lambda: dense().double(),
    "one class less": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 9)),
    "one logit": lambda: Wrapped(lambda _, logits: logits[:, 0]),
    "a row": lambda: Wrapped(lambda _, logits: logits.mean(0, keepdim=True)),
    "a tuple": lambda: Wrapped(lambda module, logits: (logits, logits) if module.training else logits),
    "a mapping": lambda: Wrapped(lambda _, logits: {"logits": logits}),
    "classes": lambda: Wrapped(lambda _, logits: functional.one_hot(logits.argmax(1), 10)),
    "a counter of all calls": lambda: Wrapped(counted, count=torch.zeros((), dtype=torch.int64)),
    "a buffer replaced": lambda: Wrapped(grown, count=torch.zeros(1)),
    "a late buffer": lambda: Wrapped(later, late=torch.zeros(1)),
    "a state": lambda: Wrapped(lambda module, logits: logits * module.calls),
    "a generator of its own": lambda: Wrapped(lambda _, logits: logits + float(GENERATOR.normal())),
    "a parameter replaced": lambda: Wrapped(replaced),
    "frozen": lambda: dense().requires_grad_(False),
    "a lock": lambda: Holding(lambda _: threading.Lock()),
    "a kept iterator": lambda: Holding(lambda _: (one for one in "abc")),
    "a view of a parameter": lambda: Holding(lambda layer: layer.weight.view(-1)),
    "an error": lambda: Wrapped(lambda module, logits: {}["missing"]),
    # to be used
    "running statistics": lambda: dense(nn.BatchNorm1d(10)),
    "a counter": lambda: Wrapped(counted_in_training, count=torch.zeros((), dtype=torch.int64)),
    "spectral norm": lambda: nn.Sequential(nn.Flatten(), nn.utils.parametrizations.spectral_norm(nn.Linear(64, 10))),
    "partly frozen": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 9).requires_grad_(False), nn.Linear(9, 10)),
    "constants": lambda: Wrapped(lambda module, logits: logits + module.mask, mask=torch.arange(10.0)),
    "an empty parameter": Empty,
    "an empty layer": lambda: nn.Sequential(nn.Flatten(), narrow(64, 0), nn.ReLU(), narrow(0, 10)),
    "views of four dimensions": lambda: nn.Sequential(Viewing(), nn.Flatten(), nn.Linear(2 * 49, 10)),
    "attention": lambda: nn.Sequential(Attending(), nn.Flatten(), nn.Linear(64, 10)),
    "global draws": lambda: Wrapped(lambda _, logits: logits + torch.randn_like(logits) + random.random()),
    "NaN answers": lambda: Wrapped(lambda module, logits: logits if module.training else logits * torch.nan),
}  # fmt: skip


WORDS = {
    "a function": r"build gave a builtin_function_or_method; return a torch.nn.Module",
    "a class": r"build gave a type; return a torch.nn.Module",
    "nothing": r"build gave None; return a torch.nn.Module",
    "no parameters": r"has no parameters to train",
    "an empty parameter alone": r"has no parameters to train",
    "lazy": r"has parameters without values (1.weight, 1.bias); give layers their sizes, in place of those called Lazy",
    "on no device": r"has parameters without values (1.weight, 1.bias); .* build on the CPU",
    "two types": r"parameters are of one type of floating point; 1.bias is torch.float32, 2.bias is torch.float64; try",
    "complex": r"parameters are of one type of floating point; 1.bias is torch.complex64",
    "NaN": r"the initial 1.weight is not finite; give it values",
    "drawn elsewhere": r"the initial 1.weight is another one each time; give it values",
    "other layers each time": r"build gives other layers the second time",
    "other inputs": r"fails on inputs of shape [2, 1, 8, 8], .* build(shape, classes) receives shape=(1, 8, 8)",
    "double": r"fails on inputs .* inputs are torch.float32 and the model's parameters torch.float64, so make",
    "one class less": r"in training, it gives torch.float32 of shape [2, 9]; logits of shape [2, 10] are right",
    "one logit": r"in training, it gives torch.float32 of shape [2]; logits of shape [2, 10] are right",
    "a row": r"in training, it gives torch.float32 of shape [1, 10]; logits of shape [2, 10] are right",
    "a tuple": r"in training, it gives a tuple; logits are right, a tensor of shape [2, 10]",
    "a mapping": r"in training, it gives a dict; logits are right",
    "classes": r"in training, it gives torch.int64 of shape [2, 10]; logits",
    "a counter of all calls": r"evaluation changes buffers, such as count; change them only if self.training",
    "a buffer replaced": r"training makes another buffer of count, which an update cannot carry; give it its shape in",
    "a late buffer": r"the first step of training leaves late alone, a later one does not; let every step of training",
    "a state": r"in training, its answer to the same inputs is another one the second time; keep no state",
    "a generator of its own": r"in training, its answer to the same inputs is another one the second time",
    "a parameter replaced": r"forward puts another tensor in the place of layer.weight",
    "frozen": r"has no parameters to train",
    "a lock": r"cannot be copied: TypeError: cannot pickle '_thread.lock' object; keep locks, generators",
    "a kept iterator": r"cannot be copied: TypeError: cannot pickle 'generator' object; keep locks, generators",
    "a view of a parameter": r"cannot be copied: RuntimeError: Only Tensors created explicitly .*; keep locks",
    "an error": r"fails on inputs .*: KeyError: 'missing' (.*; build(shape, classes) receives",
}


@pytest.mark.parametrize("which", WORDS)
def test_a_model_that_cannot_be_used_is_refused_before_anything_runs(which: str, tmp_path: Path) -> None:
    before = global_states()
    words = re.escape(WORDS[which]).replace(r"\.\*", ".*")
    with pytest.raises(ConfigError, match=rf"^model: {__name__}:Built \(.*test_trial.py:\d+\):? {words}"):
        fedlens.run(small(data=Digits(), model=Built(which=which)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert global_states() == before


@pytest.mark.parametrize("which", sorted(MODELS.keys() - WORDS.keys()))
@pytest.mark.parametrize("engine", ["serial", "processes", "vectorised"])
def test_a_model_that_can_be_used_is_used_on_every_engine(which: str, engine: Any, tmp_path: Path) -> None:
    experiment = small(data=Digits(), model=Built(which=which), rounds=2)
    workers = None if engine == "serial" else 2
    refused = {"global draws", "attention", "running statistics", "a counter", "spectral norm"}
    if engine == "vectorised" and which in refused:  # PyTorch cannot map them over clients, or they change buffers
        with pytest.raises(ConfigError, match="use --engine processes or serial"):
            fedlens.run(experiment, tmp_path / "run", engine=engine, workers=workers)
        return
    run = fedlens.run(experiment, tmp_path / "run", engine=engine, workers=workers)
    plain = fedlens.run(experiment, tmp_path / "plain", engine="serial")
    assert torch.isfinite(run.weights()).all()
    assert not torch.equal(run.weights(), prepare(experiment).network().state())
    torch.testing.assert_close(run.weights(), plain.weights(), rtol=0, atol=1e-4 if engine == "vectorised" else 0)


def test_the_trial_changes_nothing() -> None:
    setting = prepare(small(data=Digits(), model=Built(which="global draws")))
    before = setting.digests()
    setting.try_model()
    assert setting.digests() == before


def test_constants_count_as_what_a_run_begins_with() -> None:
    setting, same, other = (prepare(small(data=Digits(), model=Built(which="constants"))) for _ in range(3))
    other.initial.module.get_buffer("mask").add_(1)
    assert setting.digests() == same.digests()
    assert other.digests()["weights"] != setting.digests()["weights"]


def test_the_command_line_says_it_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(
        "from torch import nn\nfrom fedlens import Model\n"
        "class Net(Model):\n    def build(self, shape, classes):\n"
        "        return nn.Sequential(nn.Flatten(), nn.Linear(9, classes))\n"
    )
    Path("mine.yaml").write_text(yaml.safe_dump({"data": "digits", "model": "nets:Net"}))
    code, _, err = called(capsys, "run", "mine.yaml")
    assert code == 2
    assert err.startswith(
        "Error: mine.yaml:2: model: nets:Net (nets.py:4) fails on inputs of shape [2, 1, 8, 8], torch.float32: "
    )
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"data": "adult", "model": "char-lstm"}, r"char-lstm does not take .*\(104,\), torch.float32: .*=census-mlp"),
        ({"data": {"name": "text", "path": "lines.txt", "length": 4}, "model": "census-mlp"}, "int64: .*=char-lstm"),
    ],
)
def test_a_model_of_fedlens_that_does_not_take_the_data_is_refused_before_anything_runs(
    values: dict[str, object], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lines.txt").write_text("To be, or not to be, that is the question.\n" * 40)
    experiment = Experiment.model_validate({"clients": 2, "rounds": 1, **values})
    with pytest.raises(ConfigError, match=f"model: .*{words}"):
        fedlens.run(experiment, tmp_path / "run", engine="serial")
    assert not (tmp_path / "run" / "rounds.jsonl").exists()
