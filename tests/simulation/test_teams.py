"""Rounds with several attackers: weights, records, memory, engines, and going on after an interruption."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from small import small
from torch import Tensor

import fedlens
from fedlens.attacks.attack import Attack, View
from fedlens.attacks.data_poisoning import DataPoisoning
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.attacks.team import Crafted, Team
from fedlens.data.partition import Dirichlet
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import Setting, prepare
from fedlens.models.mlp import CensusMlp
from fedlens.runs.round_result import RoundResult
from fedlens.runs.state import FederationState
from fedlens.simulation.engines import Engine
from fedlens.simulation.engines.choice import choose_engine
from fedlens.simulation.engines.context import Job
from fedlens.simulation.engines.jobs import HonestJob, MaliciousJob, StackedJob
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.rounds import federate

STILL = {"steps": 1, "optimizer": "sgd", "learning_rate": 1e-30}
"""Training that moves no weight by as much as the last digit."""


def play(
    experiment: Experiment, state: FederationState | None = None, engine: Engine | None = None
) -> list[RoundResult]:
    """The rounds left from `state`, in memory."""
    with engine or Serial() as workers:
        return list(federate(prepare(experiment).with_target(None), workers, state))


def same(one: list[RoundResult], other: list[RoundResult]) -> bool:
    """Whether records and weights are the same to the last bit."""
    pairs = list(zip(one, other, strict=True))
    return all(a.record == b.record and torch.equal(a.state.weights, b.state.weights) for a, b in pairs)


def test_a_count_of_one_is_the_client_that_attacked_before() -> None:
    old, new = small(attack=ExplicitBoosting(step_cap=105)), small(attackers={"count": 1})
    assert old.identity() == new.identity()
    assert same(play(old), play(new))
    old, new = small(attack=ExplicitBoosting(step_cap=105, client=1)), small(attackers={"clients": [1]})
    assert old.identity() == new.identity()
    assert same(play(old), play(new))


# What a team weighs


class Towards(Attack):
    """Sends the same boosted vector from every attacker."""

    remembers = 1

    def craft(self, view: View) -> Tensor:
        view.log["team_alpha"] = view.team_alpha
        view.log["place"] = view.place
        return self.factor(view.team_alpha) * aim(view.weights)


def aim(weights: Tensor) -> Tensor:
    return torch.linspace(-1, 1, len(weights))


def test_a_team_boosted_by_its_whole_weight_replaces_the_model_where_the_others_stand_still() -> None:
    lopsided = {"partition": Dirichlet(alpha=1), "clients": 6, "local": STILL, "rounds": 1}
    experiment = small(attack=Towards(), attackers={"clients": [1, 4]}, **lopsided)
    setting = prepare(experiment)
    begin = setting.network().vector.detach()
    [result] = play(experiment)
    alpha = setting.alpha(list(range(6)), 1)
    assert alpha[1] != alpha[4]
    torch.testing.assert_close(result.state.weights, begin + aim(begin), rtol=0, atol=1e-6)
    logs = [client.attack.log for client in result.record.attackers if client.attack]
    assert [log["place"] for log in logs] == [0, 1]
    assert [log["team_alpha"] for log in logs] == pytest.approx([float(alpha[[1, 4]].sum())] * 2)
    assert result.record.malicious_weight == pytest.approx(float(alpha[[1, 4]].sum()))
    # had each been boosted by its own weight, the model would have gone twice as far
    each = small(attack=Overshoots(), attackers={"clients": [1, 4]}, **lopsided)
    torch.testing.assert_close(play(each)[0].state.weights, begin + 2 * aim(begin), rtol=0, atol=1e-6)


class Overshoots(Attack):
    def craft(self, view: View) -> Tensor:
        return self.factor(view.alpha) * aim(view.weights)


class Places(Attack):
    """Sends its place plus one in every entry."""

    def craft(self, view: View) -> Tensor:
        return torch.full_like(view.weights, view.place + 1.0)


def test_the_malicious_model_is_the_mean_of_the_team_by_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = small(
        attack=Places(), attackers={"count": 2}, partition=Dirichlet(alpha=1), clients=5, rounds=1, local=STILL
    )  # fmt: skip
    setting = prepare(experiment)
    begin, alpha = setting.network().vector.detach(), setting.alpha(list(range(5)), 1)
    models: list[Tensor] = []
    evaluate = fedlens.simulation.rounds.Federation._evaluate

    def noting(self: Any, round_: int, which: list[int]) -> Any:
        models.append(self.shared.models.clone())
        assert which == [0, 1], "once for all attackers"
        return evaluate(self, round_, which)

    monkeypatch.setattr(fedlens.simulation.rounds.Federation, "_evaluate", noting)
    [result] = play(experiment)
    mean = float((alpha[3] + 2 * alpha[4]) / (alpha[3] + alpha[4]))
    assert mean != pytest.approx(1.5, abs=0.01)
    torch.testing.assert_close(models[0][1], begin + mean, rtol=0, atol=1e-5)
    first, second = result.record.malicious_clients
    assert first.model == second.model == result.record.malicious_model is not None


def test_records_say_which_attackers_were_in_the_cohort() -> None:
    experiment = small(attack=Towards(boost=0.01), attackers={"count": 3}, clients=8, fraction=0.5, rounds=6)
    setting, results = prepare(experiment), play(experiment)
    numbers = set()
    for result in results:
        there = [client for client in setting.cohort(result.record.round) if client in {5, 6, 7}]
        assert [client.client for client in result.record.malicious_clients] == there
        numbers.add(len(there))
    assert len(numbers) > 1
    always = small(
        attack=Towards(boost=0.01), attackers={"count": 3, "schedule": "every-round"}, clients=8, fraction=0.5
    )  # fmt: skip
    assert all(len(result.record.attackers) == 3 and len(result.record.clients) == 4 for result in play(always))


def test_an_estimate_is_compared_with_what_honest_clients_sent() -> None:
    attack = Towards(boost=0.01, estimate="post")
    experiment = small(attack=attack, attackers={"count": 2}, rounds=2)
    first, second = play(experiment)
    before = prepare(experiment).network().vector.detach()
    alpha = prepare(experiment).alpha([0, 1, 2, 3], 1)
    sent = [second.state.history[client][-1].update.double() for client in (2, 3)]
    honest = second.state.weights.double() - first.state.weights.double()
    honest -= sum(float(alpha[client]) * update for client, update in zip((2, 3), sent, strict=True))
    for client in (2, 3):
        (past,) = first.state.history[client]
        estimate = first.state.weights.double() - before.double() - past.alpha * past.update.double()
        log = next(one for one in second.record.attackers if one.client == client).attack
        assert log is not None
        wanted = float((estimate - honest).norm() / honest.norm())
        assert log.log["estimate_error"] == pytest.approx(wanted, rel=1e-3)


# Engines, and going on


class Drifts(Attack):
    """A team that counts its rounds, and sends the mean of what it saw, a little random."""

    sight = "team"
    remembers = 1

    def collude(self, team: Team) -> Crafted:
        count = team.state.get("count", torch.zeros(1)) + 1
        noise = torch.from_numpy(team.address.generator().standard_normal(len(team.received))).float()
        for member in team.members:
            member.log["count"] = float(count)
            member.log["remembered"] = len(member.history)
        mean = team.honest.mean(dim=0) + 1e-3 * count * noise
        return Crafted(mean.expand_as(team.honest), {"count": count})


class Copies(Attack):
    """Sends what the other clients of its sight send on average."""

    sight = "all"

    def craft(self, view: View) -> Tensor:
        assert view.others is not None
        view.log["seen"] = len(view.others)
        return view.others.mean(dim=0) + 0.1 * view.train()


class Foretells(Attack):
    """A team that behaves, and logs the length of the step that it expects of the server."""

    sight = "all"
    needs_rule = True

    def collude(self, team: Team) -> Crafted:
        assert team.server is not None
        assert team.others is not None
        for member in team.members:
            member.log["length"] = float(team.server.step(torch.cat([team.others, team.honest])).norm())
        return Crafted(team.honest)


ATTACKS: dict[str, Any] = {
    "with history": {"name": "alternating-minimisation", "epochs": 2, "ls": 1, "evaluate_at": "global"},
    "with estimates": {"name": "explicit-boosting", "estimate": "post", "step_cap": 105},
    "poisoning": DataPoisoning(data_rep=30),
    "colluding, with state": Drifts(),
    "seeing all": Copies(),
    "inner product": {"name": "inner-product-manipulation", "eps": 2},
    "trying the rule": {"name": "adaptive-ipm", "candidates": [0.5, 2]},
}


def federation(attack: Any, **changes: Any) -> Experiment:
    """Eight clients, five a round, three attackers; a model that can be stacked."""
    plan = {"clients": 8, "fraction": 0.625, "rounds": 4, "attackers": {"clients": [0, 3, 6]}, "model": CensusMlp()}
    return small(**{**plan, "attack": attack, **changes})


def engine(name: str, setting: Setting) -> Engine:
    return choose_engine(name, 2 if name == "processes" else None, setting).make()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ATTACKS)
def test_engines_give_the_same(name: str) -> None:
    experiment = federation(ATTACKS[name], rounds=3)
    setting = prepare(experiment)
    serial = play(experiment)
    assert sum(len(result.record.attackers) for result in serial) >= 3
    assert same(serial, play(experiment, engine=engine("processes", setting)))
    for alone, stacked in zip(serial, play(experiment, engine=engine("vectorised", setting)), strict=True):
        assert alone.record.cohort == stacked.record.cohort
        difference = (alone.state.weights - stacked.state.weights).norm() / alone.state.weights.norm()
        assert difference < 2e-3  # up to rounding
        logs = [
            [client.attack.log.keys() for client in side.record.attackers if client.attack] for side in (alone, stacked)
        ]
        assert logs[0] == logs[1]


@pytest.mark.parametrize("schedule", ["sampled", "every-round"])
@pytest.mark.parametrize("engine_name", ["serial", "processes", "vectorised"])
def test_a_resumed_team_goes_on_with_the_same_bits(engine_name: str, schedule: str, tmp_path: Path) -> None:
    team = {"clients": [0, 3, 6], "schedule": schedule}
    for number, attack in enumerate(ATTACKS.values()):
        experiment = federation(attack, attackers=team)
        whole = play(experiment, engine=engine(engine_name, prepare(experiment)))
        file = tmp_path / f"{number}.safetensors"
        file.write_bytes(whole[1].state.to_bytes())
        rest = play(experiment, FederationState.load(str(file)), engine(engine_name, prepare(experiment)))
        assert same(rest, whole[2:])


@pytest.mark.parametrize("rule", [["mean", "fedavgm"], {"name": "centred-clipping", "tau": 0.5}])
@pytest.mark.parametrize("engine_name", ["serial", "processes"])
def test_who_knows_the_rule_and_what_it_keeps_foretells_the_step(rule: Any, engine_name: str) -> None:
    told = {}
    for state in ("known", "unknown"):
        team = {"clients": [0, 3, 6], "schedule": "every-round", "server_state": state}
        experiment = federation(Foretells(boost=1), attackers=team, aggregation=rule, rounds=3)
        setting = prepare(experiment)
        results = play(experiment, engine=engine(engine_name, setting))
        weights = [setting.network().vector.detach(), *(result.state.weights for result in results)]
        steps = [float((after - before).norm()) for before, after in pairwise(weights)]
        logs = [result.record.attackers[0].attack for result in results]
        told[state] = [log.log["length"] / step for log, step in zip(logs, steps, strict=True) if log]  # type: ignore[operator]
    assert told["known"] == pytest.approx([1, 1, 1], rel=0.01), "but for the weights of others, which are nearly equal"
    assert told["unknown"][0] == told["known"][0]
    assert told["unknown"][2] != pytest.approx(1, rel=0.02)


def test_what_a_team_keeps_is_handed_on() -> None:
    results = play(federation(Drifts(), attackers={"clients": [0, 3, 6], "schedule": "every-round"}))
    logs = [[client.attack.log for client in result.record.attackers if client.attack] for result in results]
    assert [[log["count"] for log in of_round] for of_round in logs] == [[n] * 3 for n in (1, 2, 3, 4)]
    assert [[log["remembered"] for log in of_round] for of_round in logs] == [[0] * 3, [1] * 3, [1] * 3, [1] * 3]
    assert [float(result.state.team["count"]) for result in results] == [1, 2, 3, 4]
    moved = results[-1].state.to(torch.device("meta"))
    assert moved.team["count"].device.type == "meta"


def test_poisoned_clients_train_side_by_side_with_honest_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    stacked: list[Job] = []
    run = StackedJob.run

    def noting(self: StackedJob, context: Any) -> dict[str, Any]:
        stacked.extend(self.parts)
        return run(self, context)

    monkeypatch.setattr(StackedJob, "run", noting)
    experiment = federation(DataPoisoning(data_rep=30, boost=2, delay=2), fraction=1, rounds=2)
    results = play(experiment, engine=choose_engine("vectorised", 1, prepare(experiment)).make())
    assert len(stacked) == 16
    assert sum(isinstance(job, MaliciousJob) for job in stacked) == 6
    steps = [[client.attack.log.get("steps") for client in result.record.malicious_clients if client.attack]
             for result in results]  # fmt: skip
    assert steps[0] == [None] * 3
    assert all(count and count > 3 for count in steps[1])
    stacked.clear()
    play(
        federation(DataPoisoning(), attackers=None, rounds=1),
        engine=choose_engine("vectorised", 1, prepare(experiment)).make(),
    )
    assert all(isinstance(job, HonestJob) for job in stacked), "one attacker trains by itself, as it always did"


@pytest.mark.parametrize("name", ["poisoning", "colluding, with state", "seeing all"])
def test_progress_counts_every_client_once(name: str) -> None:
    told: list[tuple[int, int]] = []
    setting = prepare(federation(ATTACKS[name], fraction=1, rounds=1)).with_target(None)
    with Serial() as workers:
        list(federate(setting, workers, progress=lambda done, total: told.append((done, total))))
    assert told[-1] == (8, 8)
    assert sorted({done for done, _ in told}) == list(range(9))


# Checkpoints of 0.1


def test_a_checkpoint_of_one_attacker_is_read(tmp_path: Path) -> None:
    attack = {"name": "explicit-boosting", "estimate": "post", "step_cap": 105, "client": 2}
    whole = play(small(attack=attack, rounds=3))
    state = whole[1].state
    (past,) = state.history[2]
    tensors = {"weights": state.weights, "history.0.weights": past.weights, "history.0.update": past.update}
    plain = {"round": 2, "history": [[past.round, past.alpha, past.log]]}
    save_file(tensors, tmp_path / "old.safetensors", metadata={"state": json.dumps(plain)})
    old = FederationState.load(str(tmp_path / "old.safetensors"), attacker=2)
    assert same(play(small(attack=attack, rounds=3), old), whole[2:])
    save_file({"weights": state.weights}, tmp_path / "none.safetensors",
              metadata={"state": json.dumps({"round": 2, "history": []})})  # fmt: skip
    assert FederationState.load(str(tmp_path / "none.safetensors")).history == {}
