"""The server's root samples: whose they are not, and the update that the server trains on them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers.stages import Trusts
from small import small

from fedlens.core.errors import DataError
from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.defences.chain import Chain
from fedlens.defences.stage import Server, State, Updates
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.runs.round_result import RoundResult
from fedlens.simulation.combining import combine
from fedlens.simulation.engines import Engine
from fedlens.simulation.engines.choice import choose_engine
from fedlens.simulation.engines.processes import Processes
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.rounds import federate
from fedlens.training.local import train

TRUSTING = {"aggregation": Trusts(), "attack": None}
ENGINES: dict[str, Callable[[Experiment], Engine]] = {
    "serial": lambda _: Serial(),
    "processes": lambda _: Processes(2),
    "vectorised": lambda experiment: choose_engine("vectorised", 2, prepare(experiment)).make(),
}


def play(experiment: Experiment, engine: str = "serial") -> list[RoundResult]:
    with ENGINES[engine](experiment) as workforce:
        return list(federate(prepare(experiment).with_target(None), workforce))


def rows(samples: Any) -> list[Any]:
    return samples.x.flatten(1).tolist()


def test_root_validation_and_training_samples_are_all_there_are_and_each_once() -> None:
    plain, apart = prepare(small()), prepare(small(**TRUSTING, root=60, validation=70))
    assert apart.root_samples is not None
    assert apart.validation is not None
    assert (len(apart.root_samples), len(apart.validation)) == (60, 70)
    parts = [rows(samples) for samples in (apart.root_samples, apart.validation, apart.dataset.train)]
    assert sorted(row for part in parts for row in part) == sorted(rows(plain.dataset.train))
    assert len(apart.dataset.train) == int(apart.shards.sizes.sum())


def test_the_validation_set_is_the_same_with_root_samples() -> None:
    with_root, without = (prepare(small(**changes, validation=70)).validation for changes in (TRUSTING, {}))
    assert with_root is not None
    assert without is not None
    assert torch.equal(with_root.x, without.x)


def test_a_hundred_are_set_apart_where_a_stage_needs_them_at_most_a_tenth() -> None:
    assert small().root_apart == 0
    experiment = small(**TRUSTING)
    assert experiment.root_apart == 100
    assert [experiment.settled(samples).root for samples in (5000, 1000, 600)] == [100, 100, 60]
    assert prepare(small()).root_samples is None
    assert experiment.twin().root == 100


def test_nobody_elses_identity_has_root_samples() -> None:
    assert "root" not in small().relevant()
    assert small(root=50).identity() != small().identity()


def test_as_many_as_cannot_be_set_apart_are_refused() -> None:
    with pytest.raises(DataError, match=r"root: 5 of .* cannot be set apart .* -o root="):
        prepare(small(root=5))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_server_trains_as_a_client_would(engine: str) -> None:
    experiment = small(**TRUSTING, rounds=2)
    setting = prepare(experiment)
    assert setting.root_samples is not None
    weights = setting.network().vector.detach().clone()
    for result in play(experiment, engine):
        address = setting.root.at("root", result.record.round)
        own = train(setting.network(), weights, setting.root_samples, experiment.local, address)
        torch.testing.assert_close(result.state.weights, weights + own, rtol=0, atol=0)
        assert result.record.effective_weights is None
        assert [client.checks[f"{Trusts.__module__}:Trusts"].score > 0 for client in result.record.clients] == [
            True
        ] * 4
        weights = result.state.weights


def test_its_training_is_no_clients_progress() -> None:
    seen: list[tuple[int, int]] = []
    with Serial() as engine:
        list(federate(prepare(small(**TRUSTING, rounds=1)), engine, progress=lambda *at: seen.append(at)))
    assert seen[-1] == (4, 4)


def test_where_its_update_is_not_finite_the_model_and_what_is_kept_stay() -> None:
    root, kept = torch.tensor([0.0, torch.nan]), {"0.mine": State({"sum": torch.ones(1)})}
    server = Server(1, torch.zeros(2), Layout(()), (0, 1), Address.root(0), root)
    received = Updates(torch.ones(2, 2), torch.full((2,), 0.5).double(), None)
    combined = combine(Chain.of(Trusts()).whole, received, [0, 1], server, kept)
    assert combined.skipped == "the update that the server trained on its root samples is not finite"
    assert combined.update.tolist() == [0, 0]
    assert combined.states is kept
