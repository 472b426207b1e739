"""Models of many kinds train on each engine, to equal results, or an engine says why it cannot train them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small import small
from torch import Tensor, nn

from fedlens.core.errors import ConfigError
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.models.dropout import Dropout
from fedlens.models.model import Model
from fedlens.simulation.engines.choice import choose_engine
from fedlens.simulation.rounds import federate


class Sequences(Data):
    """Sequences of 6 out of 5 tokens; the class is the last token."""

    def load(self, directory: Path | None = None) -> Dataset:
        generator = torch.Generator().manual_seed(0)

        def drawn(count: int) -> Samples:
            x = torch.randint(5, (count, 6), generator=generator)
            return Samples(x, x[:, -1].clone())

        return Dataset(drawn(120), drawn(40), tuple("abcde"))


class Numbers(Data):
    """Records of 4 numbers in double precision; the class says whether the first is positive."""

    def load(self, directory: Path | None = None) -> Dataset:
        generator = torch.Generator().manual_seed(0)

        def drawn(count: int) -> Samples:
            x = torch.randn(count, 4, generator=generator, dtype=torch.float64)
            return Samples(x, (x[:, 0] > 0).long())

        return Dataset(drawn(120), drawn(40), ("no", "yes"))


class Tied(nn.Module):
    """A layer that is used for encoding and, transposed, for decoding."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, 3, bias=False), nn.Linear(width, 3, bias=False)
        self.second.weight = self.first.weight
        self.last = nn.Linear(6, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.last(torch.cat([self.first(x), self.second(x.flip(1))], dim=1))
        return logits


class Reader(nn.Module):
    """A network of tokens with something that reads them."""

    def __init__(self, reader: nn.Module, classes: int) -> None:
        super().__init__()
        self.embedding, self.reader, self.dense = nn.Embedding(5, 8), reader, nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        read = self.reader(self.embedding(x))
        read = read[0] if isinstance(read, tuple) else read
        logits: Tensor = self.dense(read[:, -1])
        return logits


def transformer() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, dropout=0, batch_first=True)


FLAT = nn.Flatten()
KINDS: dict[str, Any] = {
    "partly frozen": lambda k: nn.Sequential(nn.Linear(4, 8).requires_grad_(False), nn.Tanh(), nn.Linear(8, k)),
    "shared weights": lambda k: Tied(4, k),
    "double precision": lambda k: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, k)),
    "dropout and statistics": lambda k: nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), Dropout(0.2), nn.Linear(8, k)
    ),
    "embedding": lambda k: nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(18, k)),
    "lstm": lambda k: Reader(nn.LSTM(8, 8, batch_first=True), k),
    "transformer": lambda k: Reader(nn.TransformerEncoder(transformer(), 1, enable_nested_tensor=False), k),
}
TOKENS = {"embedding", "lstm", "transformer"}
ALONE = {"dropout and statistics": "training changes buffers", "lstm": ".", "transformer": "."}
"""Kinds whose clients cannot be trained side by side, with what is said of them."""


class Kind(Model):
    """One of them."""

    which: str

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        module: nn.Module = KINDS[self.which](classes)
        return module if self.which in TOKENS else module.double()


def experiment(which: str) -> Experiment:
    local = {"epochs": 3, "batch_size": 10, "learning_rate": 0.01}
    data = Sequences() if which in TOKENS else Numbers()
    target = {"source": 0, "target": 1, "select": "random"}
    return small(data=data, model=Kind(which=which), local=local, rounds=2, target=target)


def played(which: str, engine: Any, workers: int | None = None) -> tuple[Tensor, list[Any]]:
    setting = prepare(experiment(which))
    setting.try_model()
    setting = setting.with_target(None)
    with choose_engine(engine, workers, setting).make() as made:
        results = list(federate(setting, made))
    return results[-1].state.weights, [result.record for result in results]


@pytest.mark.parametrize("which", KINDS)
def test_a_kind_of_model_trains_on_every_engine(which: str) -> None:
    weights, records = played(which, "serial")
    network = prepare(experiment(which)).network()
    assert weights.dtype == (torch.float32 if which in TOKENS else torch.float64)
    assert not torch.equal(weights, network.state())
    assert records[-1].quality.loss < 10
    others, same = played(which, "processes", 2)
    assert torch.equal(weights, others)
    assert same == records
    if which in ALONE:
        with pytest.raises(ConfigError, match=f"engine vectorised: the model cannot be stacked: .*{ALONE[which]}"):
            played(which, "vectorised", 1)
        return
    stacked, _ = played(which, "vectorised", 1)
    torch.testing.assert_close(stacked, weights, rtol=0, atol=1e-4 if which in TOKENS else 1e-9)


def test_frozen_parameters_stay_as_they_were_built() -> None:
    setting = prepare(experiment("partly frozen"))
    assert [part.name for part in setting.network().layout.slices] == ["2.weight", "2.bias"]
    assert setting.digests()["weights"] != prepare(experiment("double precision")).digests()["weights"]


def test_shared_weights_are_one_parameter() -> None:
    network = prepare(experiment("shared weights")).network()
    assert [part.name for part in network.layout.slices] == ["first.weight", "last.weight", "last.bias"]
    network.load(torch.zeros_like(network.state()))
    assert network.module.second.weight.abs().max() == 0
