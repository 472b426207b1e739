"""Clients that keep their own running statistics (SiloBN), compared with plain PyTorch."""

from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from small import small
from torch import Tensor, nn
from torch.nn import functional

import fedlens
from fedlens.attacks.attack import Attack, View
from fedlens.attacks.honest import Honest
from fedlens.attacks.team import Crafted, Team
from fedlens.core.errors import ConfigError
from fedlens.core.layout import Layout
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.defences.stage import Server, State, Updates
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import Setting, prepare
from fedlens.goals.target_samples import Target
from fedlens.models.model import Model
from fedlens.runs.record import RoundRecord
from fedlens.runs.round_result import RoundResult
from fedlens.simulation.client_buffers import KEY, ClientBuffers, is_honest
from fedlens.simulation.engines.choice import choose_engine
from fedlens.simulation.rounds import federate
from fedlens.training.local import LocalTraining, draws


class Normalised(Model):
    """A dense network with batch normalisation."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, classes))


SGD = LocalTraining(epochs=1, batch_size=50, optimizer="sgd", learning_rate=0.1, buffers="local")
PARAMETERS = 64 * 16 + 16 + 2 * 16 + 16 * 10 + 10


def normalised(**changes: object) -> Experiment:
    return small(**({"model": Normalised(), "local": SGD, "rounds": 2} | changes))


def played(experiment: Experiment, engine: Any = "serial", workers: int | None = None) -> list[RoundResult]:
    setting = prepare(experiment)
    setting.try_model()
    setting = setting.with_target(None)
    with choose_engine(engine, workers, setting).make() as made:
        return list(federate(setting, made))


def own(result: RoundResult) -> dict[int, Tensor]:
    return {client: kept["buffers"] for client, kept in result.state.stages[KEY].clients.items()}


def played_by_hand(setting: Setting, rounds: int) -> tuple[nn.Module, list[nn.Module]]:
    """Play rounds in which each client has a module of its own, with nothing but PyTorch; parameters are averaged."""
    model = setting.network().module.train()
    clients = [deepcopy(model) for _ in range(setting.experiment.clients)]
    share = [size / int(setting.shards.sizes.sum()) for size in setting.shards.sizes.tolist()]
    for round_ in range(1, rounds + 1):
        for client, local in enumerate(clients):
            for parameter, shared in zip(local.parameters(), model.parameters(), strict=True):
                parameter.data.copy_(shared.data)
            optimizer = torch.optim.SGD(local.parameters(), lr=0.1)
            for batch in draws(setting.shards.indices(client), SGD, setting.root.at("client", round_, client)):
                optimizer.zero_grad()
                functional.cross_entropy(
                    local(setting.dataset.train.x[batch]), setting.dataset.train.y[batch]
                ).backward()
                optimizer.step()
        for shared, *theirs in zip(model.parameters(), *(local.parameters() for local in clients), strict=True):
            shared.data.copy_(sum(part * each.data for part, each in zip(share, theirs, strict=True)))
    for name in ("running_mean", "running_var"):
        each = [getattr(local[2], name) for local in clients]  # type: ignore[index]
        getattr(model[2], name).copy_(sum(part * one for part, one in zip(share, each, strict=True)))  # type: ignore[index]
    return model.eval(), clients


def test_two_clients_and_two_rounds_are_those_of_plain_pytorch() -> None:
    experiment = normalised(clients=2, attack=None, partition={"name": "dirichlet", "alpha": 2})
    setting = prepare(experiment)
    sizes = setting.shards.sizes.tolist()
    assert sizes[0] != sizes[1]
    by_hand, clients = played_by_hand(setting, 2)
    *_, result = played(experiment)
    for client, module in enumerate(clients):
        norm = module[2]  # type: ignore[index]
        mine = own(result)[client]
        torch.testing.assert_close(mine[:16], norm.running_mean, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(mine[16:32], norm.running_var, rtol=1e-5, atol=1e-6)
        assert mine[32] == norm.num_batches_tracked
    assert not torch.allclose(own(result)[0][:16], own(result)[1][:16], rtol=0.01)
    network = setting.network()
    network.load(result.state.weights)
    for name, value in network.module.state_dict().items():
        if name != "2.num_batches_tracked":
            torch.testing.assert_close(value, by_hand.state_dict()[name], rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        expected = functional.log_softmax(by_hand(setting.dataset.test.x), dim=1)
    torch.testing.assert_close(result.log_probabilities, expected, rtol=1e-4, atol=1e-4)


def test_it_differs_from_averaging_where_clients_take_part_now_and_then() -> None:
    """Running statistics are linear: if all train on as many batches in every round, the stand-in is their average."""
    for fraction in (1.0, 0.5):
        one, other = (
            played(
                normalised(attack=None, rounds=3, fraction=fraction, local=SGD.model_copy(update={"buffers": buffers}))
            )
            for buffers in ("local", "average")
        )
        first, second = one[-1].state.weights, other[-1].state.weights
        assert all(KEY not in result.state.stages for result in other)
        torch.testing.assert_close(first[:PARAMETERS], second[:PARAMETERS], rtol=1e-4, atol=1e-4)
        assert torch.allclose(first[PARAMETERS:], second[PARAMETERS:], rtol=1e-4, atol=1e-4) == (fraction == 1)
        for result in one:
            assert own(result).keys() >= set(result.record.cohort)


def test_at_its_default_it_is_no_part_of_an_identity() -> None:
    assert "buffers" not in Experiment().relevant()["local"]
    average = normalised(local=SGD.model_copy(update={"buffers": "average"}))
    assert average.identity() != normalised().identity()
    assert normalised().twin().local.buffers == "local"


def test_the_next_round_by_hand() -> None:
    """A round of five clients, of which two have kept buffers, one diverges, and one attacks."""
    from fedlens.simulation.engines.context import SharedTensors
    from fedlens.simulation.engines.jobs import HonestJob

    layout = Layout.of(nn.BatchNorm1d(1))  # two parameters; a mean, a variance, a counter
    first, before = torch.tensor([0.0, 1.0, 0.0]), State({}, {4: {"buffers": torch.tensor([9.0, 9.0, 9.0])}})
    buffers = ClientBuffers(True, first, layout.buffers, before)
    assert buffers.of(4) is before.clients[4]["buffers"]
    assert buffers.of(5) is first
    rows = [[1.0, 1.0, 10.0, 1.0, 3.0], [2.0, 2.0, 20.0, 2.0, 4.0], [3.0, 3.0, torch.nan, 1.0, 1.0]]
    shared = SharedTensors(torch.zeros(2, 5), torch.tensor(rows), torch.zeros(2, 1, 2))
    buffers.apply([(HonestJob(1, client, row, 1), {}) for row, client in enumerate((5, 6, 4))], shared)
    assert shared.updates.tolist() == [[1, 1, 0, 0, 0], [2, 2, 0, 0, 0], [3, 3, 0, 0, 0]]
    kept = buffers.kept()[KEY].clients
    assert {client: entries["buffers"].tolist() for client, entries in kept.items()} == {
        4: [9, 9, 9], 5: [10, 1, 3], 6: [20, 2, 4],
    }  # fmt: skip
    assert kept[4] is before.clients[4]
    weights, update = torch.tensor([1.0, 1.0, 7.0, 7.0, 7.0]), torch.tensor([0.5, 0.0])
    assert buffers.added(weights, update, {5: 0.1, 6: 0.3, 4: 0.6}).tolist() == [1.5, 1, 17.5, 1.75, 4]
    assert buffers.added(weights, update, {4: 0.6}).tolist() == [1.5, 1, 7, 7, 7]
    assert weights.tolist() == [1, 1, 7, 7, 7]


def test_what_is_averaged_is_left_alone() -> None:
    buffers = ClientBuffers(False, torch.zeros(3), Layout.of(nn.BatchNorm1d(1)).buffers, None)
    assert buffers.of(0) is None
    assert buffers.first is None
    assert buffers.kept() == {}
    assert buffers.added(torch.ones(5), torch.ones(5), {}).tolist() == [2] * 5


ATTACKS: dict[str, dict[str, Any]] = {
    "explicit": {"attack": {"name": "explicit-boosting", "step_cap": 105}},
    "global": {"attack": {"name": "alternating-minimisation", "epochs": 1, "ls": 2, "evaluate_at": "global"}},
    "pre": {"attack": {"name": "explicit-boosting", "step_cap": 105, "estimate": "pre"}},
    "poisoning": {"attack": {"name": "data-poisoning", "boost": 2}, "attackers": {"count": 2}},
    "adaptive": {
        "attack": {"name": "adaptive-ipm", "candidates": [0.5, 2]}, "goal": "damage", "target": Target(),
        "aggregation": "median", "attackers": {"count": 2},
    },
    "trusting": {"attack": {"name": "sign-flipping"}, "goal": "damage", "target": Target(), "aggregation": "fltrust"},
}  # fmt: skip


@pytest.mark.parametrize("case", ATTACKS)
def test_engines_agree(case: str) -> None:
    experiment = normalised(**ATTACKS[case])
    one, other = played(experiment), played(experiment, "processes", 2)
    for first, second in zip(one, other, strict=True):
        assert first.record == second.record
        assert torch.equal(first.state.weights, second.state.weights)
        assert own(first).keys() == own(second).keys() == {0, 1, 2, 3}
        assert all(torch.equal(own(first)[client], own(second)[client]) for client in own(first))
        assert first.state.weights.isfinite().all()
        assert first.record.attackers


@pytest.mark.parametrize("case", ["explicit", "global"])
def test_an_attack_succeeds(case: str) -> None:
    *_, last = played(normalised(rounds=3, clients=5, **ATTACKS[case]))
    assert last.record.outcome.success


def test_a_killed_run_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    attack = ATTACKS["pre"]["attack"] | {"boost": 2}
    experiment = normalised(attack=attack, clients=6, fraction=0.5, rounds=4, aggregation=["mean", "fedavgm"])
    whole = fedlens.run(experiment, tmp_path / "whole", engine="serial", keep_weights=True)

    class Stop(fedlens.Callback):
        def round(self, record: RoundRecord) -> None:
            if record.round == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fedlens.run(experiment, tmp_path / "cut", observer=Stop(), engine="serial", keep_weights=True)
    assert list((tmp_path / "cut" / "state").glob("101-*.safetensors"))
    cut = fedlens.run(experiment, tmp_path / "cut", engine="serial", keep_weights=True, resume=True)
    assert torch.equal(cut.weights(4), whole.weights(4))
    assert (tmp_path / "cut" / "rounds.jsonl").read_bytes() == (tmp_path / "whole" / "rounds.jsonl").read_bytes()


class Sent(Attack):
    """Honest parameters, with buffers that would destroy any model."""

    factor_of_buffers: float = 1.0

    def craft(self, view: View) -> Tensor:
        update = view.train()
        update[len(view.network.vector) :] = self.factor_of_buffers * -1e30
        return update


def test_an_attacker_cannot_move_others_buffers() -> None:
    one, other = (played(normalised(attack=Sent(boost=1, factor_of_buffers=factor))) for factor in (1, 0))
    for first, second in zip(one, other, strict=True):
        assert torch.equal(first.state.weights, second.state.weights)
        assert all(torch.equal(own(first)[client], own(second)[client]) for client in range(4))
        assert not any(client.negative_variances for client in first.record.clients)


class Spoiled(Attack):
    """Boosts itself far away, and spoils its own network."""

    def craft(self, view: View) -> Tensor:
        with torch.no_grad():
            view.network.module[2].running_mean.fill_(1e6)  # type: ignore[index]
        return torch.zeros_like(view.weights)


def test_an_attackers_own_buffers_are_in_no_model_of_others() -> None:
    results = played(normalised(attack=Spoiled(boost=1)))
    for result in results:
        assert own(result)[3][:16].unique().tolist() == [1e6]
        assert result.state.weights[PARAMETERS:].abs().max() < 100
        honest, alpha = (
            torch.stack([own(result)[client] for client in range(3)]),
            prepare(normalised()).alpha([0, 1, 2], 1),
        )
        expected = alpha.float() @ honest
        torch.testing.assert_close(result.state.weights[PARAMETERS:-1], expected[:-1], rtol=1e-5, atol=1e-5)


class Looks(Attack):
    """Trains honestly, and notes what it is given."""

    remembers: ClassVar[int] = 2
    seen: ClassVar[list[View]] = []

    def craft(self, view: View) -> Tensor:
        self.seen.append(view)
        return view.train()


class Mates(Attack):
    """A team that sees all, notes that, and sends what honest clients would."""

    sight = "all"
    needs_rule: ClassVar[bool] = True
    seen: ClassVar[list[Team]] = []

    def collude(self, team: Team) -> Crafted:
        self.seen.append(team)
        assert team.others is not None
        assert team.server is not None
        step = team.server.step(torch.cat([team.others, team.honest]))
        assert step.shape == team.received.shape
        assert not step[PARAMETERS:].any()
        return Crafted(team.honest)


def test_attackers_see_their_own_buffers_alone() -> None:
    Looks.seen.clear()
    results = played(normalised(rounds=3, attack=Looks(boost=1)))
    assert [len(view.history) for view in Looks.seen] == [0, 1, 2]
    for view, stand_in in zip(Looks.seen[1:], results, strict=False):
        mine = view.weights[PARAMETERS:]
        assert torch.equal(mine, view.received[PARAMETERS:])
        assert not torch.allclose(mine, stand_in.state.weights[PARAMETERS:], rtol=0.01)
        for past in view.history:
            assert torch.equal(past.weights[PARAMETERS:], mine)
            assert not past.update[PARAMETERS:].any()
        estimate = view.estimate()
        assert estimate is not None
        assert estimate[:PARAMETERS].any()
        assert not estimate[PARAMETERS:].any()


def test_a_team_sees_no_buffers_of_others() -> None:
    Mates.seen.clear()
    results = played(normalised(attack=Mates(boost=1), attackers={"count": 2}))
    twin = played(normalised(attack=None))
    assert len(Mates.seen) == 2
    for team in Mates.seen:
        assert team.others is not None
        assert not team.others[:, PARAMETERS:].any()
        assert not team.honest[:, PARAMETERS:].any()
        assert team.others[:, :PARAMETERS].any()
    for result, without in zip(results, twin, strict=True):
        assert torch.equal(result.state.weights[:PARAMETERS], without.state.weights[:PARAMETERS])
        assert all(torch.equal(own(result)[client], own(without)[client]) for client in range(4))


def test_an_attack_crafts_at_statistics_of_honest_training() -> None:
    [result] = played(normalised(rounds=1, attack=ATTACKS["explicit"]["attack"]))
    [twin] = played(normalised(rounds=1, attack=None))
    assert torch.equal(own(result)[3], own(twin)[3])


def test_an_honest_attacker_and_one_that_waits_are_their_twin(tmp_path: Path) -> None:
    for name, attack in {"honest": Honest(), "waits": Sent(boost=1, delay=9)}.items():
        run = fedlens.run(normalised(attack=attack, control=True, checks=[]), tmp_path / name, engine="serial")
        for record in run.records:
            assert record.twin is not None
            assert record.twin.quality == record.quality


def test_a_placebo_is_a_federation_of_the_others(tmp_path: Path) -> None:
    experiment = normalised(clients=5, attack=Spoiled(boost=1), control=True, aggregation="median")
    run = fedlens.run(experiment, tmp_path / "run", engine="serial")
    without = played(experiment.without_attacker())
    for record, result in zip(run.records, without, strict=True):
        assert own(result).keys() == {0, 1, 2, 3}
        assert record.placebo is not None
        assert record.placebo.quality == result.record.quality


def test_who_counts_as_honest() -> None:
    acted, waited = {"acted": True}, {"acted": False}
    poisoning = small(attack="data-poisoning").attack
    assert is_honest(None, None)
    assert is_honest(Sent(), waited)
    assert is_honest(Honest(), acted)
    assert not is_honest(Sent(), acted)
    assert not is_honest(poisoning, acted)


class Plain(Rule):
    """A mean that says nothing of effective weights."""

    def aggregate(self, received: Received) -> Aggregate:
        assert received.updates.shape[1] == PARAMETERS
        return Aggregate(received.updates.mean(dim=0))


def test_a_rule_that_could_not_combine_buffers_need_not() -> None:
    averaged = normalised(aggregation=Plain(), attack=None, local=SGD.model_copy(update={"buffers": "average"}))
    with pytest.raises(ConfigError, match=r"-o local\.buffers=local"):
        prepare(averaged).try_model()
    assert len(played(normalised(aggregation=Plain(), attack=None))) == 2


def test_the_server_gets_parameters_alone() -> None:
    layout = Layout.of(nn.BatchNorm1d(1))
    buffers = ClientBuffers(True, torch.zeros(3), layout.buffers, None)
    server = Server(1, torch.ones(5), layout, (0, 1), fedlens.Address.root(0), torch.ones(5))
    seen, updates = buffers.sent(server, Updates.received(torch.ones(2, 5), torch.ones(2).double() / 2))
    assert seen.weights.shape == (2,)
    assert seen.root is not None
    assert seen.root.shape == (2,)
    assert seen.layout == layout.parameters
    assert updates.rows.shape == (2, 2)


def test_a_model_without_buffers_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^local\.buffers: .*; -o local\.buffers=average$"):
        prepare(small(local=SGD)).try_model()


def test_a_check_that_measures_models_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"checks: accuracy measures models, .* -o local\.buffers=average"):
        normalised(checks=["accuracy"])


def test_a_run_says_that_it_measures_a_model_that_nobody_has(tmp_path: Path) -> None:
    run = fedlens.run(normalised(rounds=1, attack=None), tmp_path / "run", engine="serial")
    assert [flag for flag in run.summary.flags if flag.startswith("a model that nobody has is measured")]
