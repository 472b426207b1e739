"""Running statistics travel: a whole federation with batch normalisation, compared with plain PyTorch."""

from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from small import small
from torch import Tensor, nn
from torch.nn import functional

import fedlens
from fedlens.attacks.attack import Attack, View
from fedlens.core.errors import ClientError, ConfigError
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import Setting, prepare
from fedlens.goals.target_samples import Target
from fedlens.models.model import Model
from fedlens.runs.round_result import RoundResult
from fedlens.simulation.engines.choice import choose_engine
from fedlens.simulation.rounds import federate
from fedlens.training.local import LocalTraining, draws


class Normalised(Model):
    """A dense network with batch normalisation and dropout."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        layers = [nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, classes)]
        return nn.Sequential(nn.Flatten(), *layers)


class Sent(Attack):
    """Honest parameters, with buffers of 1e30; or boosted ones that have negative variances."""

    factor_of_buffers: float = 1e30
    far: bool = True

    def craft(self, view: View) -> Tensor:
        update, parameters = view.train(), len(view.network.vector)
        update[parameters:] *= self.factor_of_buffers
        update[:parameters] += 10 * self.far
        return update


class Plain(Rule):
    """A mean that says nothing of effective weights."""

    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(received.updates.mean(dim=0))


SGD = LocalTraining(epochs=1, batch_size=50, optimizer="sgd", learning_rate=0.1)


def normalised(**changes: object) -> Experiment:
    return small(**({"model": Normalised(), "local": SGD, "clients": 5} | changes))


def played(experiment: Experiment, engine: Any = "serial", workers: int | None = None) -> list[RoundResult]:
    setting = prepare(experiment)
    setting.try_model()
    setting = setting.with_target(None)
    with choose_engine(engine, workers, setting).make() as made:
        return list(federate(setting, made))


def averaged_by_hand(setting: Setting, model: nn.Module) -> nn.Module:
    """Play a round of federated averaging on state dicts, with nothing but PyTorch."""
    states, sizes = [], []
    for client in range(setting.experiment.clients):
        local, members = deepcopy(model).train(), setting.shards.indices(client)
        optimizer = torch.optim.SGD(local.parameters(), lr=0.1)
        for batch in draws(members, SGD, setting.root.at("client", 1, client)):
            optimizer.zero_grad()
            functional.cross_entropy(local(setting.dataset.train.x[batch]), setting.dataset.train.y[batch]).backward()
            optimizer.step()
        states.append(local.state_dict())
        sizes.append(len(members))
    mean = {
        name: sum(size / sum(sizes) * state[name].double() for size, state in zip(sizes, states, strict=True))
        for name in states[0]
    }
    mean["2.num_batches_tracked"] = torch.stack([state["2.num_batches_tracked"] for state in states]).median()
    model.load_state_dict(mean)
    return model


class WithoutDropout(Normalised):
    """The same without random draws."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, classes))


def test_a_round_of_averaging_is_that_of_plain_pytorch() -> None:
    shards = {"name": "dirichlet", "alpha": 2}
    experiment = normalised(model=WithoutDropout(), attack=None, rounds=1, partition=shards)
    setting = prepare(experiment)
    assert len(set(setting.shards.sizes.tolist())) > 1
    by_hand = averaged_by_hand(setting, setting.network().module).eval()
    [result] = played(experiment)
    network = setting.network()
    network.load(result.state.weights)
    for name, value in network.module.state_dict().items():
        torch.testing.assert_close(value, by_hand.state_dict()[name], rtol=1e-5, atol=1e-6)
    assert network.module[2].num_batches_tracked > 1
    with torch.no_grad():
        expected = functional.log_softmax(by_hand(setting.dataset.test.x), dim=1)
    torch.testing.assert_close(result.log_probabilities, expected, rtol=1e-4, atol=1e-4)


ATTACKS: dict[str, Any] = {
    "explicit-boosting": {"name": "explicit-boosting", "step_cap": 105},
    "implicit-boosting": {"name": "implicit-boosting", "step_cap": 105},
    "simultaneous-training": {"name": "simultaneous-training", "epochs": 1},
    "alternating-minimisation": {"name": "alternating-minimisation", "epochs": 2, "ls": 2, "constraint": {}},
    "global": {"name": "alternating-minimisation", "epochs": 1, "ls": 2, "evaluate_at": "global"},
    "poisoning": {"name": "data-poisoning", "boost": 2},
    "correcting": {"name": "simultaneous-training", "epochs": 1, "estimate": "post"},
    "estimating": {"name": "explicit-boosting", "step_cap": 105, "estimate": "pre"},
}
OTHERS: dict[str, dict[str, Any]] = {
    "flipping": {"attack": "sign-flipping", "goal": "damage"},
    "ipm": {"attack": {"name": "inner-product-manipulation", "eps": 0.5}, "goal": "damage"},
    "adaptive": {"attack": {"name": "adaptive-ipm", "candidates": [0.5, 2]}, "goal": "damage", "aggregation": "median"},
    "backdoor": {"attack": {"name": "data-poisoning", "boost": 2}, "goal": "backdoor"},
}
CASES = {name: {"attack": attack} for name, attack in ATTACKS.items()} | {
    name: {"target": Target(), **options} for name, options in OTHERS.items()
}


def same(first: Sequence[RoundResult], second: Sequence[RoundResult]) -> bool:
    pairs = list(zip(first, second, strict=True))
    return all(torch.equal(a.state.weights, b.state.weights) and a.record == b.record for a, b in pairs)


@pytest.mark.parametrize("case", CASES)
def test_every_attack_works_on_a_model_with_buffers_on_every_engine(case: str) -> None:
    experiment = normalised(rounds=2, **CASES[case])
    serial = played(experiment)
    assert all(result.state.weights.isfinite().all() for result in serial)
    assert all(result.record.attackers for result in serial)
    assert not any(client.negative_variances for result in serial for client in result.record.clients)
    assert same(serial, played(experiment, "processes", 2))


@pytest.mark.parametrize("case", ["explicit-boosting", "global"])
def test_a_model_with_buffers_is_attacked_with_success(case: str) -> None:
    *_, last = played(normalised(rounds=3, **CASES[case]))
    assert last.record.outcome.success


def test_vectorised_clients_are_refused_and_the_automatic_engine_takes_another() -> None:
    setting = prepare(normalised())
    with pytest.raises(ConfigError, match=r"training changes buffers of it .*use --engine processes or serial"):
        choose_engine("vectorised", 2, setting)
    assert choose_engine("auto", 2, setting).name == "processes"


def test_resuming_gives_equal_bits(tmp_path: Path) -> None:
    experiment = normalised(attack=ATTACKS["estimating"] | {"boost": 2}, aggregation=["mean", "fedavgm"])
    whole = fedlens.run(experiment, tmp_path / "whole", engine="serial")

    class Stop(fedlens.Callback):
        def round(self, record: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fedlens.run(experiment, tmp_path / "broken", engine="serial", observer=Stop())
    rest = fedlens.run(experiment, tmp_path / "broken", resume=True)
    assert torch.equal(rest.weights(), whole.weights())
    assert rest.records == whole.records


@pytest.mark.parametrize("rule", [{"name": "krum", "f": 1}, "median", {"name": "trimmed-mean", "f": 1}])
def test_buffers_of_1e30_move_nothing_under_a_robust_rule(rule: object) -> None:
    honest, hostile = (
        played(normalised(rounds=2, aggregation=rule, attack=attack)) for attack in ("honest", Sent(boost=1))
    )
    buffers = slice(prepare(normalised()).network().layout.parameters.size, None)
    for before, after in zip(honest, hostile, strict=True):
        assert after.state.weights[buffers].abs().max() < 100
        assert before.state.weights[buffers].abs().max() < 100
        assert not after.record.destroyed


def test_they_do_under_the_mean_and_the_record_says_who_sent_them() -> None:
    results = played(normalised(rounds=2, attack=Sent(boost=1, factor_of_buffers=100, far=False)))
    counts = [[client.negative_variances for client in result.record.clients] for result in results]
    assert counts[0][:4] == [0] * 4
    assert counts[0][4] > 0
    plain = results[0].record.plain()["clients"]
    assert [client.get("negative_variances") for client in plain] == [None] * 4 + [counts[0][4]]


def test_a_rule_that_loses_track_is_refused_before_the_run(tmp_path: Path) -> None:
    words = r"aggregation: .*Plain does not say how much of each update is in what it leaves.*GroupNorm"
    with pytest.raises(ConfigError, match=words):
        fedlens.run(normalised(aggregation=Plain(), attack=None), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    played(small(aggregation=Plain(), attack=None, rounds=1))  # a model without buffers needs no such thing


class Forgetful(Rule):
    """A mean that says something of effective weights in the first round only."""

    def aggregate(self, received: Received) -> Aggregate:
        shares = torch.full_like(received.alpha, 1 / len(received.alpha))
        return Aggregate(received.updates.mean(dim=0), None if received.state else shares, {"later": torch.ones(1)})


def test_a_rule_that_loses_track_later_ends_the_run_there() -> None:
    with pytest.raises(ClientError, match=r"Forgetful does not say how much .*, in round 2; let it return Aggregate"):
        played(normalised(aggregation=Forgetful(), attack=None))


@pytest.mark.parametrize(("size", "better"), [(41, 42), (1, 3)])  # of 288 and 287 samples, 41 and 2 leave one alone
def test_a_single_sample_that_is_left_alone_is_found_before_the_run(size: int, better: int, tmp_path: Path) -> None:
    local = {"epochs": 1, "batch_size": size}
    words = rf"local.batch_size: client \d has 28\d samples and batches of {size}, so that one is left alone, and .*; "
    with pytest.raises(ConfigError, match=rf"{words}e.g. -o local.batch_size={better}$"):
        fedlens.run(normalised(local=local, attack=None), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("check", ["distances", "statistics", "norm-filter", "accuracy"])
def test_checks_see_parameters_alone(check: str) -> None:
    attack = Sent(boost=1, factor_of_buffers=1e3, far=False)
    options = {"checks": [check], "validation": 100, "rounds": 1}
    honest, sent = (played(normalised(attack=one, **options))[0].record for one in ("honest", attack))
    pairs = list(zip(honest.clients, sent.clients, strict=True))
    scores = [(first.checks[check].score, second.checks[check].score) for first, second in pairs]
    assert all(first == second for first, second in scores) == (check != "accuracy")


def test_weights_of_a_run_are_its_whole_state(tmp_path: Path) -> None:
    run = fedlens.run(normalised(rounds=1), tmp_path / "run", engine="serial", keep_weights=True)
    network = prepare(run.experiment).network()
    assert run.weights().shape == (network.layout.size,)
    assert network.layout.size == len(network.vector) + 2 * 16 + 1
    network.load(run.weights())
    assert torch.equal(network.state(), run.weights())
    [tracked] = [part for part in network.layout.slices if part.kind == "counter"]
    assert run.weights()[tracked.start] == 6  # 1,438 samples of 5 clients, 50 a batch
    assert all(a < b for a, b in pairwise([0, *(part.stop for part in network.layout.slices)]))
