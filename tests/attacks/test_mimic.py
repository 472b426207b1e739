"""Mimic: whom it copies, by hand and against NumPy, what it keeps, and where copying does harm."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import small
from teams import Linear, a_team, clean_accuracy, final_accuracy
from torch import Tensor

from fedlens.attacks.mimic import Mimic
from fedlens.attacks.team import Crafted
from fedlens.data.partition import Dirichlet
from fedlens.experiment.setting import prepare
from fedlens.runs.state import FederationState
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.rounds import federate
from fedlens.simulation.simulation import simulate
from fedlens.training.local import LocalTraining

THREE = [[2.0, 0], [-1, 0], [-1, 0]]


def turn(
    others: Any,
    senders: Sequence[int],
    state: Mapping[str, Tensor] | None = None,
    *,
    round_: int = 1,
    warm_up: int = 2,
) -> tuple[Crafted, int]:
    """What two attackers send and keep in a round, and whom they copy."""
    team = replace(a_team(torch.zeros(2, 2), others, state=state), senders=tuple(senders), round=round_)
    crafted = Mimic(warm_up=warm_up).collude(team)
    copied = {int(member.log.get("copied", -1)) for member in team.members}
    (one,) = copied
    return crafted, one


def test_three_updates_by_hand() -> None:
    crafted, copied = turn(THREE, [4, 7, 9])
    direction = crafted.state["direction"]
    assert direction.abs().tolist() == [pytest.approx(1), pytest.approx(0)]
    assert copied == (4 if direction[0] > 0 else 7)
    wanted = THREE[0] if direction[0] > 0 else THREE[1]
    assert crafted.updates.tolist() == [wanted] * 2
    assert crafted.state["mean"].tolist() == [0, 0]
    assert (int(crafted.state["rounds"]), int(crafted.state["client"])) == (1, copied)


def kept(**changes: Any) -> dict[str, Tensor]:
    state = {"mean": torch.zeros(2), "direction": torch.tensor([1.0, 0])}
    return {**state, "rounds": torch.tensor(2), "client": torch.tensor(7), **changes}


def test_after_the_warm_up_it_follows_a_client_and_not_a_row() -> None:
    crafted, copied = turn(THREE, [4, 7, 9], kept())
    assert (copied, crafted.updates[0].tolist()) == (7, [-1, 0]), "though 4 is furthest along"
    crafted, copied = turn([[5.0, 0], [3, 3], [1, 1]], [4, 9, 7], kept())
    assert (copied, crafted.updates[0].tolist()) == (7, [1, 1]), "in another row"
    crafted, copied = turn([[5.0, 0], [9, 3]], [4, 9], kept())
    assert copied == 9, "who is furthest, where 7 is not there"
    assert int(crafted.state["client"]) == 7
    assert int(crafted.state["rounds"]) == 2


def test_warming_up_is_ojas_rule() -> None:
    generator = np.random.default_rng(3)
    state: Mapping[str, Tensor] = {}
    mean = direction = np.zeros(2)
    for t in range(4):
        rows = generator.normal(size=(5, 2)).astype(np.float32) * [3, 1] + 1
        crafted, copied = turn(torch.from_numpy(rows).float(), range(5), state, warm_up=9)
        mean = (t * mean + rows.mean(0)) / (t + 1)
        if t:
            spread = sum((row - mean) @ direction * (row - mean) for row in rows)
            direction = (t * direction + spread / np.linalg.norm(spread)) / (t + 1)
            direction = direction / np.linalg.norm(direction)
            np.testing.assert_allclose(crafted.state["direction"], direction, atol=1e-5)
        else:
            direction = crafted.state["direction"].double().numpy()
        np.testing.assert_allclose(crafted.state["mean"], mean, atol=1e-5)
        assert copied == int((rows @ direction).argmax())
        state = crafted.state
    assert int(state["rounds"]) == 4


@pytest.mark.parametrize("others", [[[0.0, 0]] * 3, [[4.0, 4]] * 3, [[1e30, 0], [-1e30, 0]], [[3.0, 1]]])
def test_degenerate_rounds(others: Any) -> None:
    crafted, _ = turn(others, range(len(others)))
    assert crafted.updates[0].tolist() in torch.tensor(others).tolist()
    assert all(bool(kept.isfinite().all()) for kept in crafted.state.values())
    assert float(crafted.state["direction"].norm()) == pytest.approx(1)


def test_of_what_is_not_finite_nothing_is_copied() -> None:
    crafted, copied = turn([[float("nan"), 0], [1, 1], [1, 1]], [4, 5, 6])
    assert copied in {5, 6}
    crafted, copied = turn([[float("nan"), 0]], [4])
    assert (crafted.updates.tolist(), copied) == ([[0, 0], [0, 0]], -1)
    assert turn(torch.empty(0, 2), [], kept())[0].state.keys() == kept().keys()


def test_rounds_of_a_sampled_federation_copy_the_same_client() -> None:
    team = {"clients": 8, "fraction": 0.75, "rounds": 5, "attackers": {"clients": [0, 3]}, "target": {}}
    plan = {"goal": "damage", "model": Linear(), "local": LocalTraining(steps=1), "partition": Dirichlet(alpha=0.1)}
    experiment = small(attack=Mimic(warm_up=1), **team, **plan)
    records = [result.record for result in simulate(experiment, engine="serial")]
    told = [
        (int(record.attackers[0].attack.log["copied"]), {client.client for client in record.clients})
        for record in records
        if record.attackers and record.attackers[0].attack
    ]
    assert len(told) > 2
    first = told[0][0]
    assert first not in {0, 3}
    assert all(copied == first for copied, cohort in told if first in cohort)
    assert all(copied in cohort for copied, cohort in told)


def test_it_goes_on_from_a_checkpoint_with_the_same_bits(tmp_path: Path) -> None:
    plan = {"model": Linear(), "local": LocalTraining(steps=1), "clients": 5, "rounds": 4, "goal": "damage"}
    experiment = small(attack=Mimic(warm_up=3), attackers={"count": 2}, target={}, **plan)
    with Serial() as workers:
        whole = list(federate(prepare(experiment).with_target(None), workers))
    assert set(whole[1].state.team) == {"mean", "direction", "rounds", "client"}
    file = tmp_path / "state.safetensors"
    file.write_bytes(whole[1].state.to_bytes())
    with Serial() as workers:
        rest = list(federate(prepare(experiment).with_target(None), workers, FederationState.load(str(file))))
    assert [result.record for result in rest] == [result.record for result in whole[2:]]
    assert torch.equal(rest[-1].state.weights, whole[-1].state.weights)


def test_it_does_harm_where_clients_differ_alone() -> None:
    plan = {"partition": Dirichlet(alpha=0.1)}
    assert final_accuracy("mimic", attackers={"count": 3}, **plan) < clean_accuracy(**plan) - 0.05
    assert final_accuracy("mimic", attackers={"count": 3}) > clean_accuracy() - 0.05
