"""Custom components that work in place on whatever they get, by every way that there is: nobody else may notice."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from small import small
from torch import Tensor, nn

import fedlens
from fedlens.attacks.attack import Attack, View
from fedlens.core.random import Address
from fedlens.data.dataset import Data, Dataset
from fedlens.data.digits import Digits
from fedlens.data.partition import Iid, Partition, Shards
from fedlens.defences.detector import Detector, Inspection, Verdict
from fedlens.defences.mean import Mean
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.models.model import Model
from fedlens.runs.record import RoundRecord
from fedlens.runs.round_result import RoundResult
from fedlens.simulation.callback import Callback
from fedlens.simulation.engines import Engine
from fedlens.simulation.engines.choice import choose_engine
from fedlens.simulation.engines.processes import Processes
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.rounds import federate

WAYS: dict[str, Callable[[Tensor], object]] = {
    "in place": lambda x: x.sub_(0.2).div_(1.1),
    "through data": lambda x: x.data.mul_(0.5),
    "through NumPy": lambda x: x.detach().numpy().__imul__(0.5),
    "by index": lambda x: x.detach().__setitem__(0, x.detach()[0] + 1),
}
ENGINES: dict[str, Callable[[Experiment], Engine]] = {
    "serial": lambda _: Serial(),
    "processes": lambda _: Processes(2),
    "vectorised": lambda experiment: choose_engine("vectorised", 2, prepare(experiment)).make(),
}


def play(experiment: Experiment, engine: Engine | None = None) -> list[RoundResult]:
    with engine or Serial() as workforce:
        return list(federate(prepare(experiment).with_target(None), workforce))


def same(first: list[RoundResult], second: list[RoundResult], *, checks: bool = True) -> None:
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.state.weights, other.state.weights)
        assert torch.equal(one.log_probabilities, other.log_probabilities)
        mine, theirs = (asdict(replace(result.record, mean_accuracy=None)) for result in (one, other))
        if not checks:
            for client in [*mine["clients"], *theirs["clients"]]:
                del client["checks"]
        assert mine == theirs


class Prelude(nn.Module):
    """Scales its input, in place or not."""

    def __init__(self, way: str, private: bool) -> None:
        super().__init__()
        self.way, self.private = way, private

    def forward(self, x: Tensor) -> Tensor:
        x = x.clone() if self.private else x
        WAYS[self.way](x)
        return x


class Scaling(Model):
    """A dense network behind a prelude."""

    way: str = "in place"
    private: bool = False

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(Prelude(self.way, self.private), nn.Flatten(), nn.Linear(64, 16), nn.Linear(16, classes))


class Rectifying(Model):
    """PyTorch's own layers only, the first of which works in place."""

    private: bool = False

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(nn.SiLU(inplace=not self.private), nn.Flatten(), nn.Linear(64, classes))


@pytest.mark.parametrize("engine", ["serial", "processes"])
@pytest.mark.parametrize("way", WAYS)
def test_a_model_that_works_in_place_changes_no_sample(way: str, engine: str) -> None:
    mine, theirs = (small(model=Scaling(way=way, private=private), rounds=2) for private in (True, False))
    same(play(mine), play(theirs, ENGINES[engine](theirs)))


@pytest.mark.parametrize("engine", ["serial", "processes", "vectorised"])
def test_a_first_layer_of_pytorchs_that_works_in_place_changes_no_sample(engine: str) -> None:
    checks = ({"name": "accuracy"},)
    mine, theirs = (
        small(model=Rectifying(private=private), checks=checks, validation=200) for private in (True, False)
    )
    same(play(mine, ENGINES[engine](mine)), play(theirs, ENGINES[engine](theirs)))


class Sorts(Partition):
    """Deals the samples as they come, and puts the labels in order meanwhile."""

    way: str = "sort"

    def split(self, labels: Tensor, clients: int, address: Address) -> Shards:
        shards = Iid().split(labels, clients, address)
        match self.way:
            case "sort":
                labels.numpy().sort()
            case "data":
                labels.data.zero_()
            case "keep":
                _KEPT.append(labels)
                _KEPT.append(shards.order)
        return shards


_KEPT: list[Tensor] = []


class Zeroes(Attack):
    """Sets to nought whatever it can reach, then sends ones."""

    def craft(self, view: View) -> Tensor:
        sent = torch.ones_like(view.weights)
        reached = [view.received, view.shard.x, view.shard.y, view.auxiliary.x, view.auxiliary.true]
        reached += [view.auxiliary.target, view.auxiliary.index, *_KEPT, *view.network.module.parameters()]
        for seen in view.history:
            reached += [seen.weights, seen.update]
        for tensor in reached:
            tensor.data.zero_()
        return sent


class Ones(Attack):
    """Sends ones."""

    def craft(self, view: View) -> Tensor:
        return torch.ones_like(view.weights)


@pytest.mark.parametrize("way", ["sort", "data"])
def test_a_partition_that_changes_the_labels_has_a_copy_of_them(way: str) -> None:
    same(play(small(partition=Iid())), play(small(partition=Sorts(way=way))))


def test_what_an_attack_does_to_its_view_stays_there() -> None:
    _KEPT.clear()
    for estimate in (None, "post"):
        kept = small(partition=Sorts(way="keep"), attack=Zeroes(boost=2, estimate=estimate))
        same(play(small(attack=Ones(boost=2, estimate=estimate))), play(kept))
    assert all(not tensor.any() for tensor in _KEPT)


class Cached(Data):
    """Digits, loaded once for all, and shared with whoever wants them."""

    def load(self, directory: Path | None = None) -> Dataset:
        if not _SHARED:
            _SHARED.append(Digits().load())
        return _SHARED[0]


_SHARED: list[Dataset] = []


class Spoils(Rule):
    """The mean, which spoils the data that it shares and the updates."""

    averages: ClassVar[bool] = True

    def aggregate(self, received: Received) -> Aggregate:
        found = Mean().aggregate(received)
        result = Aggregate(found.update.clone(), received.alpha.clone())
        for part in (_SHARED[0].train, _SHARED[0].test) if _SHARED else ():
            part.x.zero_()
            part.y.data.zero_()
        received.updates.data.zero_()
        received.alpha.zero_()
        return result


def test_data_are_not_shared_with_the_class_that_loads_them() -> None:
    _SHARED.clear()
    target = {"select": "random", "source": 5, "target": 7}
    first, second = ({"attack": None, "target": target} | own for own in ({}, {"aggregation": Spoils()}))
    same(play(small(data=Digits(), **first)), play(small(data=Cached(), **second)))
    assert not _SHARED[0].test.x.any()


class Remembers(Rule):
    """The first update, which is also kept; the state that it gets is spoilt."""

    def aggregate(self, received: Received) -> Aggregate:
        if "last" in received.state:
            _SEEN.append(received.state["last"].clone())
            received.state["last"].zero_()
        return Aggregate(received.updates[0], state={"last": received.updates[0]})


_SEEN: list[Tensor] = []


def test_what_a_rule_keeps_is_what_it_gave_whatever_becomes_of_the_updates() -> None:
    _SEEN.clear()
    results = play(small(aggregation=Remembers(), attack=None))
    before = prepare(small()).network().vector.detach()
    for seen, result in zip(_SEEN, results, strict=False):
        torch.testing.assert_close(seen, result.state.weights - before, rtol=0, atol=1e-6)
        assert torch.equal(seen, result.state.stages[f"0.{__name__}:Remembers"].tensors["last"])
        before = result.state.weights
    assert len(_SEEN) == 2


class Writes(Detector):
    """Writes into everything that it sees, keeps its verdict, and writes into that later."""

    validates: ClassVar[bool] = True
    way: str

    def inspect(self, seen: Inspection) -> Verdict:
        for tensor in (seen.updates, seen.weights, seen.alpha):
            WAYS[self.way](tensor)
        assert seen.validation is not None
        own = seen.validation.own.clone()
        seen.validation.own.zero_()
        return Verdict(own, own < 0, {"own": own.tolist()}, {"all": seen.updates})


class Looks(Detector):
    """Says what it sees of the validation."""

    validates: ClassVar[bool] = True

    def inspect(self, seen: Inspection) -> Verdict:
        assert seen.validation is not None
        return Verdict(seen.validation.own, seen.validation.own < 0, {"sum": seen.updates.double().sum(1).tolist()})


@pytest.mark.parametrize("engine", ["serial", "processes"])
@pytest.mark.parametrize("way", WAYS)
def test_what_a_check_writes_is_not_aggregated(way: str, engine: str) -> None:
    plain = small(checks=(Looks(),), validation=200, rounds=2)
    spoilt = small(checks=(Writes(way=way), Looks()), validation=200, rounds=2)
    expected, found = play(plain), play(spoilt, ENGINES[engine](spoilt))
    same(expected, found, checks=False)
    for one, other in zip(expected, found, strict=True):
        for client, same_client in zip(one.record.clients, other.record.clients, strict=True):
            assert client.checks.items() <= same_client.checks.items()


def test_who_looks_at_the_rounds_of_a_simulation_may_change_them() -> None:
    first = []
    for result in fedlens.simulate(small(attack=None), engine="serial"):
        first.append(result.record.quality)
        result.state.weights.zero_()
        result.log_probabilities.zero_()
    assert first == [result.record.quality for result in fedlens.simulate(small(attack=None), engine="serial")]


class Scribbles(Callback):
    """Changes the records that it is shown."""

    def round(self, record: RoundRecord) -> None:
        object.__setattr__(record.quality, "accuracy", 2.0)
        record.target.confidence.clear()


def test_who_watches_a_run_may_change_what_is_shown(tmp_path: Path) -> None:
    run = fedlens.run(small(), tmp_path / "seen", observer=Scribbles())
    assert run.summary is not None
    assert run.summary.accuracy == run.records[-1].quality.accuracy <= 1
