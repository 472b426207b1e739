import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pytest
import torch
from small import Convolutions, small
from torch import Tensor

from fedlens.attacks.attack import Attack, View
from fedlens.errors import ClientError, ConfigError, FedlensError
from fedlens.experiment import Experiment
from fedlens.federation.engines import Engine, make_engine
from fedlens.federation.engines.processes import Processes
from fedlens.federation.engines.serial import Serial
from fedlens.federation.record import RoundResult
from fedlens.federation.rounds import federate
from fedlens.federation.setting import prepare

ENGINES: list[Callable[[], Engine]] = [Serial, lambda: Processes(1), lambda: Processes(2)]


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
                case "nan":
                    return view.weights * float("nan")
                case "shape":
                    return view.weights[1:]
                case "dtype":
                    return view.weights.double()
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
        ("nan", "not finite"),
        ("shape", "shape"),
        ("dtype", "float64"),
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


def test_diverging_training_names_the_client_and_the_remedy() -> None:
    local = {"epochs": 1, "batch_size": 50, "optimizer": "sgd", "learning_rate": 1e30}
    with pytest.raises(ClientError, match=r"client \d in round 1 .*not finite.*learning_rate"):
        play(small(local=local, attack=None), Processes(2))


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
        assert one.record.attack is not None
        assert isinstance(one.record.attack["norm"], float)


def test_two_engines_at_once_end_without_waiting_for_each_other() -> None:
    began = time.monotonic()
    with Processes(2) as first, Processes(2) as second:
        setting = prepare(small(rounds=1)).with_target(None)
        rounds = zip(federate(setting, first), federate(setting, second), strict=True)
        assert len(list(rounds)) == 1
    assert time.monotonic() - began < 9  # a join that waits for a worker gives up after 10 s


@dataclass(frozen=True)
class Note:
    """A job that says when it was done."""

    name: str
    cost: float

    def run(self, bench: Any) -> dict[str, Any]:
        bench.append(self.name)
        return {"name": self.name, "order": len(bench)}


def test_the_longest_job_starts_first_and_results_keep_the_order_of_the_jobs() -> None:
    done = []
    with Processes(1) as engine:
        engine.start([])  # type: ignore[arg-type]
        jobs = [Note("short", 1), Note("long", 3), Note("middle", 2)]
        results = engine.run(jobs, lambda: done.append(1))
    assert [result["name"] for result in results] == ["short", "long", "middle"]
    assert [result["order"] for result in results] == [3, 1, 2]
    assert len(done) == 3


def test_shared_memory_is_seen_by_workers_and_zero_at_first() -> None:
    with Processes(2) as engine:
        tensor = engine.allocate((2, 3), torch.float64, torch.device("cpu"))
        assert tensor.shape == (2, 3)
        assert tensor.dtype == torch.float64
        assert torch.count_nonzero(tensor) == 0
        engine.start(tensor)  # type: ignore[arg-type]
        engine.run([Fill("a", 1)], lambda: None)
    assert torch.equal(tensor, torch.full((2, 3), 7.0, dtype=torch.float64))


@dataclass(frozen=True)
class Fill:
    name: str
    cost: float

    def run(self, bench: Any) -> dict[str, Any]:
        bench.fill_(7)
        return {}


def test_auto_takes_processes_where_several_can_work() -> None:
    cpu = torch.device("cpu")
    assert make_engine("auto", 1, cpu, 10).name == "serial"
    assert make_engine("auto", 2, cpu, 10).name == "processes"
    assert make_engine("auto", None, cpu, 1).name == "serial"
    assert make_engine("processes", None, cpu, 2).workers <= 2
    assert make_engine("auto", None, torch.device("meta"), 10).name == "serial"


@pytest.mark.parametrize(
    ("name", "workers", "device", "words"),
    [
        ("serial", 2, "cpu", "one worker"),
        ("processes", 0, "cpu", "at least one"),
        ("processes", 2, "meta", "use --engine serial"),
    ],
)
def test_an_impossible_engine_is_refused(name: Any, workers: int, device: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_engine(name, workers, torch.device(device), 10)
