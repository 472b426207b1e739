from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from small import small
from torch import Tensor

import fedlens
from fedlens.attacks.attack import Attack, View
from fedlens.attacks.honest import Honest
from fedlens.attacks.team import Crafted, Team
from fedlens.defences.mean import Mean
from fedlens.defences.stage import Stage, State
from fedlens.experiment.experiment import Experiment
from fedlens.runs.record import RoundRecord
from fedlens.runs.round_result import RoundResult
from fedlens.simulation.client_momentum import KEY
from fedlens.simulation.simulation import simulate

BETA = 0.7


def local(beta: float = BETA, **options: Any) -> dict[str, Any]:
    return {"epochs": 1, "batch_size": 50, "client_momentum": beta, **options}


def results(beta: float = BETA, engine: Any = "serial", **changes: Any) -> list[RoundResult]:
    fixed: dict[str, Any] = {"attack": None, "local": local(beta), "clients": 3}
    return list(simulate(small(**(fixed | changes)), engine=engine))


def momenta(result: RoundResult) -> dict[int, Tensor]:
    return {client: kept["momentum"] for client, kept in result.state.stages[KEY].clients.items()}


def test_a_client_sends_its_momentum() -> None:
    """By hand: what a client alone would send from the round's weights, and what it sent before."""
    rounds = results(clients=1, rounds=3)
    weights = [result.state.weights for result in rounds]
    plain = list(simulate(small(attack=None, local=local(0), clients=1, rounds=1), engine="serial"))
    assert torch.equal(weights[0], plain[0].state.weights)
    steps = [weights[1] - weights[0], weights[2] - weights[1]]
    for result, step in zip(rounds[1:], steps, strict=True):
        torch.testing.assert_close(momenta(result)[0], step, rtol=0, atol=1e-6)


def test_buffers_behind_the_parameters_are_sent_as_they_are() -> None:
    from fedlens.simulation.client_momentum import ClientMomentum
    from fedlens.simulation.engines.context import SharedTensors
    from fedlens.simulation.engines.jobs import HonestJob

    shared = SharedTensors(torch.zeros(2, 3), torch.tensor([[1.0, 2.0, 9.0]]), torch.zeros(2, 1, 2))
    momentum = ClientMomentum(0.75, State({}, {4: {"momentum": torch.tensor([5.0, 0.0])}}), parameters=2)
    momentum.apply([(HonestJob(1, 4, 0, 1), {})], shared)
    assert shared.updates.tolist() == [[4.0, 0.5, 9.0]]
    assert momentum.kept()[KEY].clients[4]["momentum"].tolist() == [4.0, 0.5]


def test_the_recursion_by_hand() -> None:
    from fedlens.simulation.client_momentum import ClientMomentum
    from fedlens.simulation.engines.context import SharedTensors
    from fedlens.simulation.engines.jobs import HonestJob

    jobs = [(HonestJob(1, 4, 0, 1), {}), (HonestJob(1, 7, 1, 1), {})]
    shared = SharedTensors(torch.zeros(2, 2), torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.zeros(2, 1, 2))
    kept = State({}, {4: {"momentum": torch.tensor([5.0, 0.0])}, 9: {"momentum": torch.ones(2)}})
    momentum = ClientMomentum(0.75, kept, parameters=2)
    momentum.apply(jobs, shared)
    assert shared.updates.tolist() == [[4.0, 0.5], [3.0, 4.0]]
    after = momentum.kept()[KEY].clients
    assert {client: tensors["momentum"].tolist() for client, tensors in after.items()} == {
        4: [4.0, 0.5],
        7: [3.0, 4.0],
        9: [1.0, 1.0],
    }
    assert after[9] is kept.clients[9]
    shared.updates.fill_(torch.nan)
    momentum = ClientMomentum(0.75, kept, parameters=2)
    momentum.apply(jobs, shared)
    assert momentum.kept()[KEY].clients == kept.clients


def test_without_it_nothing_is_kept_and_experiments_keep_their_identity() -> None:
    assert KEY not in results(0)[-1].state.stages
    assert "client_momentum" not in Experiment().relevant()["local"]
    assert small(local=local()).identity() != small(local=local(0)).identity()


def test_a_sampled_clients_momentum_is_of_its_own_last_round() -> None:
    rounds = results(clients=6, fraction=0.5, rounds=4)
    for before, after in pairwise(rounds):
        for client in set(momenta(before)) - set(after.record.cohort):
            assert torch.equal(momenta(after)[client], momenta(before)[client])
        assert set(momenta(after)) == set(momenta(before)) | set(after.record.cohort)


def test_engines_agree() -> None:
    one, other = results(), results(engine="processes")
    assert torch.equal(one[-1].state.weights, other[-1].state.weights)
    stacked = results(engine="vectorised")
    torch.testing.assert_close(one[-1].state.weights, stacked[-1].state.weights, rtol=0, atol=1e-5)


def test_an_honest_attacker_is_its_twin() -> None:
    for result in results(attack=Honest(), control=True):
        assert result.record.twin is not None
        assert result.record.twin.quality == result.record.quality


class Ones(Attack):
    """Sends ones, and honest updates in the first round."""

    def craft(self, view: View) -> Tensor:
        return torch.ones_like(view.weights)


class Mirror(Attack):
    """Sends the opposite of what its honest clients would send."""

    sight = "team"

    def collude(self, team: Team) -> Crafted:
        return Crafted(-team.honest)


def test_what_an_attacker_crafts_is_sent_as_it_is() -> None:
    rounds = results(attack=Ones(delay=2), clients=2)
    assert set(momenta(rounds[0])) == {0, 1}
    honest = momenta(rounds[1])[0]
    step = rounds[1].state.weights - rounds[0].state.weights
    torch.testing.assert_close(step, (honest + 1) / 2, rtol=0, atol=0.01)
    assert torch.equal(momenta(rounds[1])[1], momenta(rounds[0])[1])


def test_a_team_sees_what_honest_clients_would_send() -> None:
    """Its mirror image cancels the momentum of an honest client, not its update, when both have the same samples."""
    rounds = results(attack=Mirror(), attackers={"count": 1}, clients=2)
    for result in rounds:
        assert set(momenta(result)) == {0, 1}
    plain = results(0, attack=Mirror(), attackers={"count": 1}, clients=2)
    assert torch.equal(plain[0].state.weights, rounds[0].state.weights)
    assert not torch.equal(plain[1].state.weights, rounds[1].state.weights)
    step = rounds[1].state.weights - rounds[0].state.weights
    torch.testing.assert_close(step, (momenta(rounds[1])[0] - momenta(rounds[1])[1]) / 2, rtol=0, atol=0.01)


def test_a_killed_run_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    experiment = small(attack=None, local=local(), clients=6, fraction=0.5, rounds=4)
    whole = fedlens.run(experiment, tmp_path / "whole", engine="serial", keep_weights=True)

    class Stop(fedlens.Callback):
        def round(self, record: RoundRecord) -> None:
            if record.round == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fedlens.run(experiment, tmp_path / "cut", observer=Stop(), engine="serial", keep_weights=True)
    assert list((tmp_path / "cut" / "state").glob("100-*.safetensors"))
    cut = fedlens.run(experiment, tmp_path / "cut", engine="serial", keep_weights=True, resume=True)
    assert torch.equal(cut.weights(4), whole.weights(4))
    assert (tmp_path / "cut" / "rounds.jsonl").read_bytes() == (tmp_path / "whole" / "rounds.jsonl").read_bytes()


def test_no_stage_of_a_chain_has_its_name() -> None:
    from fedlens.simulation.combining import names_of

    stages: list[Stage] = [*fedlens.Experiment(aggregation=Mean()).chain]
    assert KEY not in names_of(stages)
