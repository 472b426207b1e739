"""Flower federations in process: the same bits twice, whatever the apps draw, and each message its own."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from apps import Net, app, former_app, former_server, samples, server
from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg, FedMedian

from fedlens.bridges.flower import Played, play
from fedlens.core.errors import ConfigError

NODES = 4


def accuracy(played: Played) -> float:
    """Of the last global model, on all samples."""
    net = Net().eval()
    assert played.arrays is not None
    arrays = list(played.arrays.values())
    names = list(net.state_dict())
    net.load_state_dict({name: torch.from_numpy(np.asarray(array)) for name, array in zip(names, arrays, strict=True)})
    x, y = samples(0, 1)
    with torch.no_grad():
        return float((net(x).argmax(1) == y).float().mean())


def sums(arrays: Any) -> list[bytes]:
    return [array.tobytes() for array in arrays.values()]


@pytest.fixture(scope="module")
def played() -> Played:
    return play(server(), app, nodes=NODES)


def test_a_federation_learns(played: Played) -> None:
    assert len(played.rounds) == len(played.models) == 3
    assert [exchange.errors for exchange in played.rounds] == [{}] * 3
    assert [sorted(exchange.replies) for exchange in played.rounds] == [[0, 1, 2, 3]] * 3
    assert played.rounds[0].examples == {part: float(len(samples(part, NODES)[0])) for part in range(NODES)}
    assert accuracy(played) > 0.85
    assert played.arrays is not None
    assert played.arrays["norm.num_batches_tracked"].shape == ()


def test_what_is_aggregated_is_what_was_sent_next_and_in_the_end(played: Played) -> None:
    weights = np.array([played.rounds[1].examples[part] for part in range(NODES)])
    rows = np.stack([played.rounds[1].replies[part]["first.weight"] for part in range(NODES)])
    expected = np.tensordot(weights / weights.sum(), rows, 1)
    assert np.allclose(played.models[1]["first.weight"], expected, atol=1e-6)
    assert sums(played.models[1]) == sums(played.rounds[2].sent)


def test_the_same_bits_come_twice_and_another_seed_gives_others(played: Played) -> None:
    torch.manual_seed(random.randrange(10**6))
    before = torch.get_rng_state()
    again = play(server(), app, nodes=NODES)
    assert torch.equal(torch.get_rng_state(), before)
    assert played.arrays is not None
    assert again.arrays is not None
    assert sums(again.arrays) == sums(played.arrays)
    other = play(server(rounds=1), app, nodes=NODES, seed=1)
    assert sums(other.rounds[0].replies[0]) != sums(played.rounds[0].replies[0])


def test_what_others_draw_is_not_changed_by_a_client_that_draws_more(played: Played) -> None:
    def greedy(message: Message, context: Context) -> Message:
        if context.node_config["partition-id"] == 2:
            torch.rand(1000)
            np.random.default_rng().random(5)
            message.content["arrays"]["first.bias"].numpy()[:] = 7
            del message.content["arrays"]["first.weight"]
            raise ValueError("no idea")
        return app(message, context)

    found = play(server(rounds=1), greedy, nodes=NODES)
    assert list(found.rounds[0].errors) == [2]
    assert found.rounds[0].errors[2].startswith("ValueError: no idea")
    for part in (0, 1, 3):
        assert sums(found.rounds[0].replies[part]) == sums(played.rounds[0].replies[part])


def test_a_nodes_state_lasts() -> None:
    turns: list[int] = []

    def counted(message: Message, context: Context) -> Message:
        answer = app(message, context)
        if context.node_id == 1:
            turns.append(int(answer.content["metrics"]["turns"]))
        return answer

    play(server(), counted, nodes=2)
    assert turns == [1, 2, 3]


def test_apps_of_the_former_api_are_played_alike() -> None:
    found = play(former_server(), former_app, nodes=NODES)
    assert len(found.rounds) == 3
    assert accuracy(found) > 0.85
    assert found.rounds[0].examples[0] == len(samples(0, NODES)[0])


def test_another_strategy_and_configurations_reach_the_apps() -> None:
    seen: dict[str, Any] = {}

    def look(message: Message, context: Context) -> Message:
        seen.update(run=dict(context.run_config), node=dict(context.node_config))
        return app(message, context)

    config = {"learning-rate": 0.1}
    node = {"site": "Rome", "partition-id": 0, "num-partitions": 2}
    play(server(FedMedian(fraction_evaluate=0.0), 1), look, nodes=2, run_config=config, node_config=lambda _: node)
    assert seen == {"run": config, "node": node}


def test_no_nodes_are_refused_and_no_rounds_are_no_model() -> None:
    with pytest.raises(ConfigError, match="nodes: at least one is needed, not 0"):
        play(server(), ClientApp(), nodes=0)
    assert play(server(FedAvg(fraction_evaluate=0.0), rounds=0), app, nodes=2).models == []
