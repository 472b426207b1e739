import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.experiment.experiment import Experiment
from fedlens.models.network import Network
from fedlens.runs.loading import override
from fedlens.training.local import LocalTraining
from fedlens.training.optimizer_options import AdamOptions, SgdOptions

REFERENCE: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "adamw": torch.optim.AdamW,
}

OPTIONS: list[dict[str, Any]] = [
    {"name": "adam"},
    {"name": "sgd"},
    {"name": "adamw"},
    {"name": "sgd", "momentum": 0.9},
    {"name": "sgd", "momentum": 0.9, "dampening": 0.3},
    {"name": "sgd", "momentum": 0.8, "nesterov": True, "weight_decay": 0.05},
    {"name": "sgd", "weight_decay": 0.1},
    {"name": "adam", "betas": [0.8, 0.9], "eps": 1e-4, "weight_decay": 0.1},
    {"name": "adamw", "betas": [0.8, 0.9], "eps": 1e-4, "weight_decay": 0.3},
]


def plan(optimizer: dict[str, Any], learning_rate: float = 0.02) -> LocalTraining:
    return LocalTraining.model_validate({"optimizer": optimizer, "learning_rate": learning_rate})


def reference(optimizer: dict[str, Any], parameters: Iterable[torch.Tensor]) -> torch.optim.Optimizer:
    rest = {name: value for name, value in optimizer.items() if name != "name"}
    return REFERENCE[optimizer["name"]](parameters, lr=0.02, **rest)


@pytest.mark.parametrize("optimizer", OPTIONS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_optimizer_takes_the_steps_of_pytorchs_class(optimizer: dict[str, Any], dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    module, plain = nn.Linear(5, 3).to(dtype), nn.Linear(5, 3).to(dtype)
    plain.load_state_dict(module.state_dict())
    network = Network(module)
    mine, theirs = plan(optimizer).new_optimizer(network), reference(optimizer, plain.parameters())
    x, y = torch.randn(20, 5, dtype=dtype), torch.randint(3, (20,))
    tolerance = 1e-12 if dtype == torch.float64 else 1e-6
    for _ in range(30):
        network.backward(x, y)
        mine.step()
        theirs.zero_grad()
        nn.functional.cross_entropy(plain(x), y).backward()
        theirs.step()
        expected = torch.cat([parameter.detach().reshape(-1) for parameter in plain.parameters()])
        torch.testing.assert_close(network.vector.detach(), expected, rtol=0, atol=tolerance)


@dataclass
class Rows:
    """Several vectors, of which the last are done before the others."""

    vector: torch.Tensor
    gradient: torch.Tensor


@pytest.mark.parametrize("optimizer", OPTIONS, ids=str)
def test_rows_take_the_steps_that_each_would_alone(optimizer: dict[str, Any]) -> None:
    torch.manual_seed(4)
    start, gradients, lasting = torch.randn(3, 5, dtype=torch.float64), torch.randn(7, 3, 5).double(), [7, 4, 2]
    stacked = start.clone()
    rows = Rows(stacked, torch.zeros_like(stacked))
    together = plan(optimizer).new_optimizer(rows)
    for step in range(7):
        count = sum(last > step for last in lasting)
        rows.vector, rows.gradient = stacked[:count], gradients[step, :count]
        together.step()
    for row, last in enumerate(lasting):
        alone = torch.nn.Parameter(start[row].clone())
        theirs = reference(optimizer, [alone])
        for step in range(last):
            alone.grad = gradients[step, row].clone()
            theirs.step()
        torch.testing.assert_close(stacked[row], alone.detach(), rtol=0, atol=1e-12)


def test_weight_decay_leaves_alone_what_is_no_parameter() -> None:
    module = nn.Sequential(nn.Linear(2, 2))
    module.register_buffer("scale", torch.full((3,), 7.0))
    network = Network(module)
    optimizer = plan({"name": "sgd", "weight_decay": 0.5}, 1.0).new_optimizer(network)
    before = network.vector.detach()[: network.layout.split(network.vector.detach())["0.weight"].numel()].clone()
    network.gradient.zero_()
    optimizer.step()
    torch.testing.assert_close(network.vector.detach()[: len(before)], before / 2)
    assert module.get_buffer("scale").tolist() == [7, 7, 7]


def test_a_name_alone_is_held_and_told_as_a_word() -> None:
    assert plan({"name": "sgd"}) == LocalTraining.model_validate({"optimizer": "sgd", "learning_rate": 0.02})
    assert plan({"name": "sgd"}).described("optimizer") == "sgd"
    assert plan({"name": "sgd", "momentum": 0.0}).optimizer == "sgd"
    assert LocalTraining(optimizer=AdamOptions()).optimizer == "adam"
    told = plan({"name": "sgd", "momentum": 0.9}).described("optimizer")
    assert told == {"name": "sgd", "momentum": 0.9}
    assert plan(told).optimizer == SgdOptions(momentum=0.9)


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        ("x", "local.optimizer: 'adam', 'sgd' or 'adamw' is needed, not 'x'; e.g. -o local.optimizer=adam"),
        ({"momentum": 0.9}, "local.optimizer: momentum needs a name beside it; e.g. -o local.optimizer.name=sgd"),
        (
            {"name": "sgd", "momentum": 1},
            "local.optimizer.momentum: a number less than 1 is needed, not 1; "
            "e.g. -o 'local.optimizer={name: sgd, momentum: 0}'",
        ),
        ({"name": "adam", "momentun": 1}, "local.optimizer.momentun: unknown option; known: betas, eps, weight_decay"),
        ({"name": "sgd", "nesterov": True}, "nesterov: is of momentum, which is 0; e.g. -o local.optimizer.momentum"),
    ],
)
def test_what_is_no_optimizer_is_refused_with_a_remedy(optimizer: object, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        validate(LocalTraining, {"optimizer": optimizer}, "local")


def test_options_can_be_given_beneath_a_word() -> None:
    values = override({"local": {"optimizer": "sgd"}}, ["local.optimizer.momentum=0.5"])
    assert values == {"local": {"optimizer": {"name": "sgd", "momentum": 0.5}}}


def test_the_identity_of_an_experiment_knows_the_options() -> None:
    def identity(optimizer: object) -> str:
        return Experiment.model_validate({"local": {"optimizer": optimizer}}).identity()

    assert identity("sgd") == identity({"name": "sgd"}) != identity({"name": "sgd", "momentum": 0.9})


def test_training_imports_neither_the_compiler_nor_what_is_needed_later() -> None:
    """It takes every worker a second, or half of one, for each."""
    code = (
        "import sys, fedlens; from small import small\n"
        "list(fedlens.simulate(small(rounds=1, checks=('accuracy',)), engine='serial'))\n"
        "print({'torch._dynamo', 'sympy', 'sklearn', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="tests")
    assert done.stdout.strip() == "set()"
