"""A model may be a function, or a class of modules, that a file of the user's has."""

import pickle
from pathlib import Path

import pytest
import torch
import yaml

import fedlens
from fedlens.core.errors import ConfigError
from fedlens.core.registry import describe, name_of
from fedlens.experiment.experiment import Experiment

NETS = """
from torch import nn


def shallow(shape, classes, width=4, rate: float = 0.5, activation=nn.ReLU, bias=True):
    layers = [nn.Linear(64, width, bias=bias), activation(), nn.Dropout(rate)]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(width, classes))


class Deep(nn.Module):
    def __init__(self, shape, classes, *, width: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Tanh(), nn.Linear(width, classes))

    def forward(self, x):
        return self.layers(x)


def wrong(shape, classes):
    return nn.Linear(9, classes)


class Fixed(nn.Module):
    def __init__(self):
        super().__init__()


def lone(shape):
    return nn.Linear(9, 2)


class Neither:
    pass
"""


@pytest.fixture(autouse=True)
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("called_nets.py").write_text(NETS)


def experiment(model: object) -> Experiment:
    return Experiment(name="called", data="digits", model=model, clients=2, rounds=1, local={"steps": 2})


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("called_nets:shallow", 64 * 4 + 4 + 4 * 10 + 10),
        ({"name": "called_nets:shallow", "width": 6, "bias": False}, 64 * 6 + 6 * 10 + 10),
        ({"name": "called_nets:Deep", "width": 3}, 64 * 3 + 3 + 3 * 10 + 10),
    ],
)
def test_it_is_called_with_shape_classes_and_options(model: object, parameters: int) -> None:
    made = experiment(model)
    again = experiment(describe("model", made.model))
    assert made.identity() == again.identity()
    assert made.model == again.model == pickle.loads(pickle.dumps(made.model))
    run = fedlens.run(made, "run", engine="serial")
    assert run.weights().shape == (parameters,)
    recorded = yaml.safe_load(Path("run/experiment.yaml").read_text())["model"]
    assert recorded["name"] == (model if isinstance(model, str) else model["name"])  # type: ignore[index]
    repeated = fedlens.run(experiment(recorded), "again", engine="processes", workers=2)
    assert torch.equal(repeated.weights(), run.weights())
    assert fedlens.load_run("run").experiment.identity() == made.identity()


def test_other_options_are_other_experiments() -> None:
    first, second = (experiment({"name": "called_nets:shallow", "width": width}) for width in (4, 5))
    assert first.identity() == experiment("called_nets:shallow").identity() != second.identity()
    assert name_of("model", first.model) == "called_nets:shallow"


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"name": "called_nets:shallow", "widht": 6}, r"model.widht: .*width"),
        ({"name": "called_nets:shallow", "rate": "much"}, r"model.rate"),
        ({"name": "called_nets:shallow", "activation": "tanh"}, r"model.activation"),
        ("called_nets:Deep", r"model.width"),
        ("called_nets:Neither", r"called_nets:Neither is not a configuration class; let it derive from fedlens' own"),
        ("called_nets:other", r"has no class 'other'"),
        ("called_nets:Fixed", r"Fixed \(called_nets.py:23\).*two parameters: def __init__\(self, shape, classes\)"),
        ("called_nets:lone", r"lone \(called_nets.py:28\).*two parameters: def lone\(shape, classes\)"),
    ],
)
def test_what_does_not_fit_is_said(model: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        experiment(model)


def test_a_mistake_is_named_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"model: called_nets:wrong \(called_nets.py:19\) fails on inputs of shape"):
        fedlens.run(experiment("called_nets:wrong"), "run")
