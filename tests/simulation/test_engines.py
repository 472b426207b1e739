import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from math import prod
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers.records import attack_of
from helpers.teams import PERSISTENT, STATEFUL
from helpers.waiting import PATIENCE
from small import Convolutions, small
from torch import Tensor, nn

from fedlens.analysis.flags import flags
from fedlens.attacks.attack import Attack, View
from fedlens.core.errors import ClientError, ConfigError, FedlensError
from fedlens.data.dataset import Samples
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import Setting, prepare
from fedlens.models.dropout import Dropout
from fedlens.models.mlp import CensusMlp
from fedlens.models.model import Model
from fedlens.runs.round_result import RoundResult
from fedlens.simulation.engines import Engine
from fedlens.simulation.engines.choice import choose_engine
from fedlens.simulation.engines.jobs import HonestJob
from fedlens.simulation.engines.processes import Processes
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.engines.vectorised import Vectorised
from fedlens.simulation.rounds import federate


class Noisy(Model):
    """A network that draws from PyTorch's own generator."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(prod(shape), classes))


class Frozen(Model):
    """A dense network of which only the last layer is trained."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        first = nn.Linear(prod(shape), 9).requires_grad_(False)
        return nn.Sequential(nn.Flatten(), first, nn.ReLU(), nn.Linear(9, classes))


class Smooth(Model):
    """A network whose derivatives are not written out."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), 9), nn.Tanh(), Dropout(0.5), nn.Linear(9, classes))


def stacked(workers: int, model: object = "census-mlp", largest: int = 8) -> Engine:
    return replace(choose_engine("vectorised", workers, prepare(small(model=model))), largest=largest).make()


ENGINES: list[Callable[[], Engine]] = [Serial, lambda: Processes(1), lambda: Processes(2), lambda: stacked(2)]


def play(experiment: Experiment, engine: Engine) -> list[RoundResult]:
    with engine:
        return list(federate(prepare(experiment).with_target(None), engine))


@pytest.mark.parametrize("model", ["census-mlp", Convolutions()])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_processes_give_the_bits_of_serial(workers: int, model: object) -> None:
    experiment = small(model=model, fraction=0.75)
    expected, found = play(experiment, Serial()), play(experiment, Processes(workers))
    assert len(expected) == 3
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(one.state.weights, other.state.weights)
        assert torch.equal(one.log_probabilities, other.log_probabilities)
        assert asdict(one.record) == asdict(other.record)


class Double(Model):
    """A network in double precision."""

    single: CensusMlp | Smooth

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return self.single.build(shape, classes).double()


def precise(experiment: Experiment) -> Setting:
    setting = prepare(experiment)
    train, test = (Samples(part.x.double(), part.y) for part in (setting.dataset.train, setting.dataset.test))
    return replace(setting, dataset=replace(setting.dataset, train=train, test=test)).with_target(None)


def numbers(result: RoundResult) -> dict[str, float]:
    """What the attack logged, without its words."""
    log = attack_of(result.record) or {}
    return {name: value for name, value in log.items() if isinstance(value, int | float)}


@pytest.mark.parametrize("model", [Double(single=CensusMlp()), Double(single=Smooth())], ids=["written out", "mapped"])
@pytest.mark.parametrize("partition", ["iid", "dirichlet"])
@pytest.mark.parametrize(("workers", "largest"), [(1, 8), (2, 8), (2, 1), (1, 2)])
def test_vectorised_gives_what_serial_gives_up_to_rounding(
    model: Model, partition: str, workers: int, largest: int
) -> None:
    where = precise(small(model=model, partition=partition, clients=6, fraction=0.8, rounds=2))
    engine = replace(choose_engine("vectorised", workers, where), largest=largest).make()
    with Serial() as alone, engine:
        expected, found = list(federate(where, alone)), list(federate(where, engine))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.state.weights, other.state.weights, rtol=0, atol=1e-10)
        torch.testing.assert_close(one.log_probabilities, other.log_probabilities, rtol=0, atol=1e-9)
        assert numbers(one) == pytest.approx(numbers(other), rel=1e-9)
        assert (one.record.cohort, one.record.effective_weights) == (
            other.record.cohort,
            other.record.effective_weights,
        )
    assert any(one.record.malicious for one in found)


@pytest.mark.parametrize("chain", [STATEFUL["aggregation"], [{"name": "nnm", "f": 1}, {"name": "krum", "f": 1}]])
def test_what_a_server_keeps_and_picks_is_the_same_up_to_rounding(chain: list[Any]) -> None:
    """In float64: there, rounding is too small for another choice of `nnm` or Krum, which it may be in float32."""
    changes = {**STATEFUL, "model": Double(single=CensusMlp()), "aggregation": chain, "attack": PERSISTENT.attack}
    where = precise(small(**changes))
    with Serial() as alone, choose_engine("vectorised", 2, where).make() as engine:
        expected, found = list(federate(where, alone)), list(federate(where, engine))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.state.weights, other.state.weights, rtol=0, atol=1e-10)
        assert one.record.effective_weights == pytest.approx(other.record.effective_weights, abs=1e-9)
        assert one.state.stages.keys() == other.state.stages.keys()


@pytest.mark.parametrize(("workers", "largest"), [(1, 8), (2, 8), (3, 1), (2, 2)])
def test_however_a_dense_network_is_stacked_the_bits_are_the_same(workers: int, largest: int) -> None:
    experiment = small(clients=7, model=CensusMlp())
    expected, found = play(experiment, stacked(1, largest=3)), play(experiment, stacked(workers, largest=largest))
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(one.state.weights, other.state.weights)
        assert asdict(one.record) == asdict(other.record)


def test_a_mapped_network_gives_the_same_bits_every_time() -> None:
    first, second = (play(small(model=Smooth()), stacked(2, Smooth())) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.state.weights, other.state.weights)
        assert asdict(one.record) == asdict(other.record)


@pytest.mark.parametrize("make", [Serial, lambda: Processes(2), lambda: stacked(2, largest=2)])
def test_progress_counts_every_client_once(make: Callable[[], Engine]) -> None:
    told: list[tuple[int, int]] = []
    with make() as engine:
        where = prepare(small(clients=6, rounds=1)).with_target(None)
        list(federate(where, engine, progress=lambda done, total: told.append((done, total))))
    assert told == [(done, 6) for done in range(7)]


class Breaks(Attack):
    """Fails in the second round."""

    how: str

    def craft(self, view: View) -> Tensor:
        if view.round == 2:
            match self.how:
                case "raise":
                    raise ZeroDivisionError("by nought")
                case "die":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "log":
                    view.log["odd"] = [1]  # type: ignore[assignment]
                case "own":
                    raise FedlensError("mine")
        return view.train()


@pytest.mark.parametrize("make", ENGINES)
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("raise", "ZeroDivisionError: by nought"),
        ("log", "logged .odd. as list"),
        ("own", "mine"),
    ],
)
def test_a_failing_client_is_named_with_its_round(make: Callable[[], Engine], how: str, words: str) -> None:
    with make() as engine:
        rounds = federate(prepare(small(attack=Breaks(how=how))).with_target(None), engine)
        assert next(rounds).record.round == 1
        with pytest.raises(ClientError, match=words) as caught:
            next(rounds)
    assert "malicious client 3 in round 2" in str(caught.value)
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_is_noticed() -> None:
    with pytest.raises(ClientError, match=r"SIGKILL.*malicious client 3 in round 2"):
        play(small(attack=Breaks(how="die")), Processes(2))
    assert not multiprocessing.active_children()


def test_the_trace_of_a_failure_comes_along() -> None:
    with pytest.raises(ClientError) as caught:
        play(small(attack=Breaks(how="raise")), Processes(2))
    assert any("in craft" in note for note in caught.value.__notes__)


def test_training_that_diverges_leaves_the_model_as_it_is_and_names_the_remedy() -> None:
    local = {"epochs": 1, "batch_size": 50, "optimizer": "sgd", "learning_rate": 1e30}
    for make in ENGINES:
        experiment = small(local=local, attack=None)
        records = [result.record for result in play(experiment, make())]
        assert [record.malformed for record in records] == [[0, 1, 2, 3]] * 3
        assert all(record.skipped for record in records)
        assert "try a lower local.learning_rate" in flags(experiment, records)[0]


class Meddles(Attack):
    """Changes the network that it was given, and sends something with a history."""

    def craft(self, view: View) -> Tensor:
        for parameter in view.network.module.parameters():
            parameter.requires_grad_(False)
        for layer in view.network.module.modules():
            if hasattr(layer, "p"):
                layer.p = 0.0
        view.log["norm"] = view.weights.norm()  # type: ignore[assignment]
        return torch.zeros_like(view.weights, requires_grad=True) + 0


def test_what_an_attack_does_to_its_network_stays_with_it() -> None:
    alone, spread = play(small(attack=Meddles()), Serial()), play(small(attack=Meddles()), Processes(3))
    for one, other in zip(alone, spread, strict=True):
        assert asdict(one.record) == asdict(other.record)
        assert not one.state.weights.requires_grad
        assert attack_of(one.record) is not None
        assert isinstance(attack_of(one.record)["norm"], float)


def test_two_engines_at_once_end_without_waiting_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedlens.simulation.engines.processes.GRACE", PATIENCE / 10)
    with Processes(2) as first, Processes(2) as second:
        setting = prepare(small(rounds=1)).with_target(None)
        rounds = zip(federate(setting, first), federate(setting, second), strict=True)
        assert len(list(rounds)) == 1
        workers = [*first._processes, *second._processes]
    assert [worker.exitcode for worker in workers] == [0] * 4  # a join that waits in vain ends in a kill


@dataclass(frozen=True)
class Note:
    """A job that says when it was done."""

    name: str
    cost: float

    def run(self, context: Any) -> dict[str, Any]:
        context.notes.append(self.name)
        return {"name": self.name, "order": len(context.notes)}


def test_the_longest_job_starts_first_and_results_keep_the_order_of_the_jobs() -> None:
    done = []
    with Processes(1) as engine:
        engine.start(SimpleNamespace(timeout=None, notes=[]))  # type: ignore[arg-type]
        jobs = [Note("short", 1), Note("long", 3), Note("middle", 2)]
        results = engine.run(jobs, lambda job: done.append(job.name))
    assert [result["name"] for result in results] == ["short", "long", "middle"]
    assert [result["order"] for result in results] == [3, 1, 2]
    assert done == ["long", "middle", "short"]


def test_shared_memory_is_seen_by_workers_and_zero_at_first() -> None:
    with Processes(2) as engine:
        tensor = engine.allocate((2, 3), torch.float64, torch.device("cpu"))
        assert tensor.shape == (2, 3)
        assert tensor.dtype == torch.float64
        assert torch.count_nonzero(tensor) == 0
        engine.start(SimpleNamespace(timeout=None, tensor=tensor))  # type: ignore[arg-type]
        engine.run([Fill("a", 1)], lambda _: None)
    assert torch.equal(tensor, torch.full((2, 3), 7.0, dtype=torch.float64))


@dataclass(frozen=True)
class Fill:
    name: str
    cost: float

    def run(self, context: Any) -> dict[str, Any]:
        context.tensor.fill_(7)
        return {}


def setting(device: str = "cpu", **changes: object) -> Setting:
    return replace(prepare(small(**changes)), device=torch.device(device))


DENSE, CNN, RANDOM = {"model": "census-mlp"}, {"model": Convolutions()}, {"model": Noisy()}


@pytest.mark.parametrize(
    ("name", "workers", "where", "expected", "words"),
    [
        ("auto", 1, setting(**DENSE), ("vectorised", 1), "dense network"),
        ("auto", 2, setting(**DENSE), ("vectorised", 2), "dense network"),
        ("auto", 1, setting(**CNN), ("serial", 1), "one worker"),
        ("auto", 2, setting(**CNN), ("processes", 2), "one client at a time"),
        ("auto", 2, setting(**RANDOM), ("processes", 2), "one client at a time"),
        ("auto", 2, setting(model=Frozen()), ("processes", 2), "one client at a time"),
        ("auto", 1, setting(model=Frozen()), ("serial", 1), "one client at a time; one worker"),
        ("vectorised", 1, setting(model=Frozen()), ("vectorised", 1), "asked for"),
        ("auto", None, setting(**CNN, clients=1, fraction=1.0, attack=None), ("serial", 1), "one worker"),
        ("auto", None, setting("meta", **DENSE), ("vectorised", 1), "many clients at once"),
        ("auto", None, setting("meta", **RANDOM), ("serial", 1), "random"),
        ("vectorised", 3, setting(model=Smooth()), ("vectorised", 3), "asked for"),
        ("serial", None, setting(**DENSE), ("serial", 1), "asked for"),
        ("processes", 1, setting(**DENSE), ("processes", 1), "asked for"),
    ],
)
def test_the_engine_chosen_and_why(
    name: Any, workers: int, where: Setting, expected: tuple[str, int], words: str
) -> None:
    choice = choose_engine(name, workers, where)
    assert (choice.name, choice.workers) == expected
    assert words in choice.reason
    engine = choice.make()
    assert (type(engine).__name__.lower(), engine.workers) == expected


@pytest.mark.parametrize(("cores", "clients", "expected"), [(8, 3, 3), (3, 8, 3), (1, 8, 1)])
def test_there_are_no_more_workers_than_cores_or_clients(
    monkeypatch: pytest.MonkeyPatch, cores: int, clients: int, expected: int
) -> None:
    monkeypatch.setattr("fedlens.simulation.engines.choice.cores", lambda: cores)
    where = setting(clients=clients, fraction=1.0, attack=None)
    assert choose_engine("processes", None, where).workers == expected


@pytest.mark.parametrize(
    ("clients", "largest", "expected"), [(17, 8, [5, 4, 4, 4]), (9, 8, [5, 4]), (1, 8, [1]), (4, 1, [1, 1, 1, 1])]
)
def test_every_worker_gets_equally_many_stacks(clients: int, largest: int, expected: list[int]) -> None:
    told: list[int] = []

    class Hands(Serial):
        workers = 2

        def run(self, jobs: Any, done: Any) -> list[dict[str, Any]]:
            told.extend(len(job.parts) for job in jobs)
            return [{"parts": [{} for _ in job.parts]} for job in jobs]

    jobs = [HonestJob(1, client, client, cost=1) for client in range(clients)]
    Vectorised(Hands(), lambda *_: None, largest).run(jobs, lambda _: None)  # type: ignore[arg-type,return-value]
    assert told == expected


def test_engines_of_the_same_bits_have_the_same_arithmetic() -> None:
    where = setting(**DENSE)
    choices = [
        choose_engine(name, workers, where) for name, workers in (("serial", 1), ("processes", 2), ("processes", 3))
    ]
    assert len({choice.arithmetic for choice in choices}) == 1
    dense = {choose_engine("vectorised", workers, where).arithmetic for workers in (1, 2)}
    mapped = {choose_engine("vectorised", workers, setting(model=Smooth())).arithmetic for workers in (1, 2)}
    assert len(dense) == 1
    assert len({choices[0].arithmetic, *dense, *mapped}) == 4


@pytest.mark.parametrize(
    ("name", "workers", "where", "words"),
    [
        ("serial", 2, setting(), "one worker"),
        ("processes", 0, setting(), "at least one"),
        ("processes", None, setting("meta"), "use --engine serial"),
        ("vectorised", 2, setting("meta"), "leave --workers out"),
        ("vectorised", 2, setting(**RANDOM), "cannot be stacked.*random.*use --engine processes"),
    ],
)
def test_an_impossible_engine_is_refused(name: Any, workers: int | None, where: Setting, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        choose_engine(name, workers, where)
