"""Custom components that draw, from global or new generators: alike always, on every engine, another in every round."""

import random
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from small import small
from torch import Tensor, nn

from fedlens import explain
from fedlens.attacks.attack import Attack, View
from fedlens.core.errors import ConfigError
from fedlens.core.random import Address, global_states
from fedlens.data.dataset import Data, Dataset
from fedlens.data.digits import Digits
from fedlens.data.loading import load
from fedlens.data.partition import Partition, Shards
from fedlens.defences.detector import Detector, Inspection, Verdict
from fedlens.defences.mean import Mean
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.explanations.methods.method import Method
from fedlens.models.model import Model
from fedlens.runs.round_result import RoundResult
from fedlens.simulation.engines import Engine
from fedlens.simulation.engines.choice import choose_engine
from fedlens.simulation.engines.processes import Processes
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.rounds import federate

DRAWS: dict[str, Callable[[int], Tensor]] = {
    "torch": torch.randn,
    "numpy": lambda count: torch.from_numpy(np.random.randn(count)).float(),  # noqa: NPY002
    "python": lambda count: torch.tensor([random.gauss(0, 1) for _ in range(count)]),
    "new numpy": lambda count: torch.from_numpy(np.random.default_rng().standard_normal(count)).float(),
    "new python": lambda count: _gauss(random.Random(), count),
}


def _gauss(generator: random.Random, count: int) -> Tensor:
    return torch.tensor([generator.gauss(0, 1) for _ in range(count)])


def play(experiment: Experiment, engine: Engine | None = None) -> list[RoundResult]:
    """Play it where the global generators are somewhere, and see that they stay there."""
    prepare(experiment)  # imports scikit-learn, which draws when it is imported
    torch.manual_seed(play.calls)  # type: ignore[attr-defined]
    np.random.seed(play.calls)  # type: ignore[attr-defined]  # noqa: NPY002
    random.seed(play.calls)  # type: ignore[attr-defined]
    play.calls += 1  # type: ignore[attr-defined]
    before = global_states()
    with engine or Serial() as workforce:
        results = list(federate(prepare(experiment).with_target(None), workforce))
    assert global_states() == before
    return results


play.calls = 0  # type: ignore[attr-defined]


def same(first: list[RoundResult], second: list[RoundResult]) -> None:
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.state.weights, other.state.weights)
        assert torch.equal(one.log_probabilities, other.log_probabilities)
        assert asdict(one.record) == asdict(other.record)


class RandomAttack(Attack):
    """Sends noise."""

    source: str

    def craft(self, view: View) -> Tensor:
        view.log["drawn"] = float(DRAWS[self.source](1))
        return 0.01 * DRAWS[self.source](len(view.weights))


class RandomRule(Rule):
    """The mean and noise."""

    averages: ClassVar[bool] = True
    source: str

    def aggregate(self, received: Received) -> Aggregate:
        found = Mean().aggregate(received)
        return Aggregate(found.update + 0.001 * DRAWS[self.source](len(found.update)), found.shares)


class RandomCheck(Detector):
    """Scores by chance."""

    source: str

    def inspect(self, seen: Inspection) -> Verdict:
        scores = DRAWS[self.source](len(seen.updates)).double()
        return Verdict(scores, scores > 1)


class RandomPartition(Partition):
    """Deals by chance."""

    source: str

    def split(self, labels: Tensor, clients: int, address: Address) -> Shards:
        order = DRAWS[self.source](len(labels)).argsort()
        return Shards(order, torch.arange(clients + 1) * len(labels) // clients)


class RandomData(Data):
    """Digits in noise."""

    source: str

    def load(self, directory: Path | None = None) -> Dataset:
        found = Digits().load()
        noise = DRAWS[self.source](found.train.x.numel()).view_as(found.train.x)
        return replace(found, train=replace(found.train, x=found.train.x + 0.1 * noise))


class Noise(nn.Module):
    """Adds noise, in training and in evaluation."""

    def __init__(self, source: str, when: str) -> None:
        super().__init__()
        self.source, self.when = source, when

    def forward(self, x: Tensor) -> Tensor:
        if self.when not in ({"always", "training"} if self.training else {"always", "evaluation"}):
            return x
        return x + 0.3 * DRAWS[self.source](x.numel()).view_as(x).to(x)


class RandomModel(Model):
    """A network of which the weights and every answer are drawn."""

    source: str
    when: str = "always"

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        layer = nn.Linear(64, classes)
        with torch.no_grad():
            layer.weight.copy_(0.1 * DRAWS[self.source](layer.weight.numel()).view_as(layer.weight))
        return nn.Sequential(nn.Flatten(), Noise(self.source, self.when), layer)


COMPONENTS: dict[str, Callable[[str], dict[str, object]]] = {
    "attack": lambda source: {"attack": RandomAttack(source=source)},
    "rule": lambda source: {"aggregation": RandomRule(source=source)},
    "check": lambda source: {"checks": (RandomCheck(source=source, action="reject"),)},
    "partition": lambda source: {"partition": RandomPartition(source=source)},
    "data": lambda source: {"data": RandomData(source=source)},
    "model": lambda source: {"model": RandomModel(source=source), "checks": ("accuracy",), "validation": 150},
}


@pytest.mark.parametrize("source", DRAWS)
@pytest.mark.parametrize("component", COMPONENTS)
def test_what_a_component_draws_is_the_same_every_time_and_on_every_engine(component: str, source: str) -> None:
    experiment = small(**COMPONENTS[component](source), rounds=2)
    first = play(experiment)
    for engine in (Serial(), Processes(1), Processes(3)):
        same(first, play(experiment, engine))
    if component != "model":
        where = choose_engine("vectorised", 2, prepare(experiment))
        same(play(experiment, where.make()), play(experiment, where.make()))
    other = play(small(**COMPONENTS[component](source), seed=1))
    assert not torch.equal(first[0].state.weights, other[0].state.weights)


@pytest.mark.parametrize("source", DRAWS)
def test_draws_differ_between_rounds_clients_and_blocks(source: str) -> None:
    results = play(small(attack=RandomAttack(source=source), checks=(RandomCheck(source=source),)))
    logged = [result.record.malicious.attack.log["drawn"] for result in results if result.record.malicious]
    (name,) = results[0].record.clients[0].checks
    scores = [client.checks[name].score for result in results for client in result.record.clients]
    assert len(set(logged)) == len(logged) == 3
    assert len(set(scores)) == len(scores) == 12


@pytest.mark.parametrize("source", DRAWS)
def test_data_that_are_drawn_do_not_depend_on_the_seed(source: str) -> None:
    first, second = (load(RandomData(source=source)) for _ in range(2))
    assert first.fingerprint() == second.fingerprint()


@pytest.mark.parametrize("source", DRAWS)
@pytest.mark.parametrize("when", ["always", "training"])
def test_a_model_that_draws_in_training_is_not_stacked(source: str, when: str) -> None:
    with pytest.raises(ConfigError, match="random"):
        choose_engine("vectorised", 1, prepare(small(model=RandomModel(source=source, when=when))))


@pytest.mark.parametrize("source", DRAWS)
def test_a_model_that_draws_in_evaluation_may_be_stacked(source: str) -> None:
    experiment = small(model=RandomModel(source=source, when="evaluation"), rounds=1)
    engine = choose_engine("vectorised", 1, prepare(experiment)).make()
    quality, other = (play(experiment, how)[0].record.quality for how in (engine, Serial()))
    assert quality.accuracy == pytest.approx(other.accuracy, abs=0.006)


class RandomMethod(Method):
    """Maps of noise."""

    source: str

    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        return DRAWS[self.source](inputs.numel()).view_as(inputs)


@pytest.mark.parametrize("source", DRAWS)
def test_explanations_that_draw_are_the_same_every_time(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedlens.explanations.explaining._AT_ONCE", 2)
    x, plain = torch.rand(7, 5), nn.Linear(5, 3)
    noisy = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), Noise(source, "always"), nn.Linear(5, 3))
    for model, method in ((plain, RandomMethod(source=source)), (noisy, "gradient"), (noisy, "occlusion")):
        before = global_states()
        first, second = (explain(model, x, None, method, threads=threads) for threads in (4, 1))
        assert torch.equal(first, second)
        assert global_states() == before
        assert len(first.flatten(1).unique(dim=0)) == 7
