"""Attacks that steer local training do so alike on every engine, and go on from where they were."""

from functools import cache
from typing import Any

import torch
from planting import played
from small import small

import fedlens
from fedlens.runs.round_result import RoundResult

NEUROTOXIN = {"name": "neurotoxin", "top": 0.2, "radius": 1}
"""The one that remembers."""


@cache
def results(engine: Any) -> list[RoundResult]:
    plan = {"clients": 3, "rounds": 2, "goal": "backdoor", "target": {}, "attackers": {"count": 2}}
    experiment = small(attack=NEUROTOXIN, **plan)
    return list(fedlens.simulate(experiment, engine=engine, workers=1 if engine == "serial" else 2))


def test_processes_send_the_same_bits() -> None:
    for serial, other in zip(results("serial"), results("processes"), strict=True):
        assert torch.equal(serial.state.weights, other.state.weights)
        assert serial.record.backdoor == other.record.backdoor


def test_beside_a_stack_of_honest_clients_they_train_by_themselves() -> None:
    """To the bit in the first round, where all begin from the same weights; honest ones up to rounding."""
    serial, stacked = results("serial"), results("vectorised")
    for client, past in serial[0].state.history.items():
        assert torch.equal(past[-1].update, stacked[0].state.history[client][-1].update)
    torch.testing.assert_close(serial[0].state.weights, stacked[0].state.weights, rtol=0, atol=1e-3)


def test_the_mask_is_there_again_after_an_interruption() -> None:
    attack = {"clients": 3, "local": {"epochs": 1, "batch_size": 50}}
    whole = played(NEUROTOXIN, 3, **attack)
    rest = played(NEUROTOXIN, 1, whole[1].state, **attack)
    assert torch.equal(rest[0].state.weights, whole[2].state.weights)
    assert [client.attack.log["masked"] for client in rest[0].record.attackers if client.attack] == [17000]
