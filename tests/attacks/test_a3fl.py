"""The trigger that a team trains, what it plants with it, and with which trigger success is measured."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from attacker import ADDRESS, cloud
from planting import after, rate
from reach import images
from torch import Tensor, nn
from torch.nn import functional

import fedlens
from fedlens import Experiment, simulate
from fedlens.attacks.a3fl import A3FL, trigger_gradient
from fedlens.attacks.data_poisoning import DataPoisoning
from fedlens.attacks.team import Crafted, Member, Team
from fedlens.core.errors import ConfigError
from fedlens.data.dataset import Samples
from fedlens.experiment.setting import prepare
from fedlens.explanations.triggered_samples import as_trained
from fedlens.goals.backdoor import Backdoor
from fedlens.goals.malicious_samples import malicious_samples
from fedlens.goals.trained_patch import TrainedPatch
from fedlens.models.network import Network
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.rounds import federate
from fedlens.training.local import LocalTraining, train

PATCH = TrainedPatch(size=2, place=(1, 1), start=0.25, low=-1, high=1)
GOAL = Backdoor(trigger=PATCH, target=1)
PLAN = LocalTraining(epochs=1, batch_size=6, optimizer="sgd", learning_rate=0.1)
QUICK: dict[str, Any] = {"steps": 40, "rate": 0.05, "unlearn_every": 20, "unlearn_epochs": 1}
PLANTING: dict[str, Any] = {"goal": {"name": "backdoor", "trigger": {"name": "trained-patch", "size": 3}}}


def model() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3)).double()


def shard(seed: int) -> Samples:
    return Samples(cloud(12, 1, 4, 4, seed=seed).clamp(-1, 1), torch.arange(12) % 3)


def team(state: dict[str, Tensor] | None = None, count: int = 2) -> Team:
    network = Network(model())
    weights = cloud(network.layout.size, seed=1) / 2
    network.load(weights)
    members = tuple(Member(place, 0.25, shard(2 + place), ADDRESS.at(place), goal=GOAL) for place in range(count))
    auxiliary = malicious_samples(GOAL, members[0].shard, 3, ADDRESS)
    honest = torch.zeros(count, len(weights), dtype=torch.float64)
    return Team(5, weights, members, honest, None, 4, auxiliary, PLAN, network, ADDRESS.at("team"), state or {})


def loss_of(of: Team, pixels: Tensor) -> float:
    """The loss of giving triggered inputs the target class, at the global weights."""
    of.network.load(of.received)
    x, y = (torch.cat([getattr(member.shard, name) for member in of.members]) for name in ("x", "y"))
    return float(functional.nll_loss(of.network.log_probabilities(PATCH.put(x[y != 1], pixels)), y[y != 1] * 0 + 1))


def crafted(of: Team, **options: Any) -> Crafted:
    return A3FL(**(QUICK | options)).collude(of)


# The trigger


def test_the_gradient_of_the_trigger_is_that_of_finite_differences() -> None:
    of, pixels = team(), cloud(1, 2, 2, seed=9) / 2
    samples = Samples(shard(2).x[:4], torch.tensor([1, 1, 0, 2]))
    found = trigger_gradient(of.network, PATCH, pixels, samples)
    for row, column in ((0, 0), (1, 0), (1, 1)):
        step = torch.zeros_like(pixels)
        step[0, row, column] = 1e-6

        def loss(at: Tensor) -> float:
            logits = of.network.log_probabilities(PATCH.put(samples.x, at))
            return float(functional.cross_entropy(logits, samples.y))

        slope = (loss(pixels + step) - loss(pixels - step)) / 2e-6
        assert float(found[0, row, column]) == pytest.approx(slope, rel=1e-4)
    assert not of.network.gradient.any()


@pytest.mark.parametrize("balance", [0.0, 0.01])
def test_the_loss_of_the_trigger_falls(balance: float) -> None:
    of = team()
    pixels = crafted(of, balance=balance).state["trigger"]
    assert pixels.shape == (1, 2, 2)
    assert loss_of(of, pixels) < loss_of(of, PATCH.pixels(of.auxiliary.x)) - 0.01
    assert float(pixels.abs().max()) <= 1


def test_a_step_changes_every_pixel_by_its_rate_and_none_beyond_the_range() -> None:
    one = crafted(team(), steps=1, rate=0.05, balance=0).state["trigger"]
    assert (one - 0.25).abs().flatten().tolist() == pytest.approx([0.05] * 4)
    far = crafted(team(), steps=1, rate=5, balance=0).state["trigger"]
    assert set(far.flatten().tolist()) <= {-1.0, 1.0}


def test_the_unlearning_model_is_in_the_gradient() -> None:
    """So heavily weighted that the sign is the other model's: it makes another trigger."""
    alone, both = (crafted(team(), steps=20, balance=balance).state["trigger"] for balance in (0, 100))
    assert not torch.allclose(alone, both, atol=0.01)


def test_the_unlearning_model_takes_triggered_inputs_for_what_they_are() -> None:
    of = team()
    samples = shard(2)
    network = A3FL(unlearn_epochs=200)._unlearnt(of, PATCH, PATCH.pixels(samples.x), samples, 0)
    predicted = network.log_probabilities(PATCH.stamp(samples.x)).argmax(dim=1)
    before = of.network.log_probabilities(PATCH.stamp(samples.x)).argmax(dim=1)
    assert int((predicted == samples.y).sum()) >= 11 > int((before == samples.y).sum())
    assert torch.equal(of.network.vector.detach(), of.received)


@pytest.fixture
def unlearnt(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """At which steps a model unlearnt the trigger: one of weights −w, at which the gradient is −2, and 1 at w."""
    asked: list[int] = []

    def opposite(_: A3FL, of: Team, trigger: TrainedPatch, pixels: Tensor, samples: Samples, number: int) -> Network:
        asked.append(number)
        network = Network(model())
        network.load(-of.received)
        return network

    def gradient(network: Network, trigger: TrainedPatch, pixels: Tensor, samples: Samples) -> Tensor:
        return torch.full_like(pixels, 1 if torch.equal(network.vector.detach(), team().received) else -2)

    monkeypatch.setattr(A3FL, "_unlearnt", opposite)
    monkeypatch.setattr("fedlens.attacks.a3fl.trigger_gradient", gradient)
    return asked


@pytest.mark.parametrize(("every", "asked"), [(1, [0, 1, 2, 3, 4]), (2, [0, 2, 4]), (3, [0, 3]), (5, [0]), (9, [0])])
def test_a_model_unlearns_the_trigger_so_often(unlearnt: list[int], every: int, asked: list[int]) -> None:
    crafted(team(), steps=5, unlearn_every=every)
    assert unlearnt == asked
    unlearnt.clear()
    crafted(team(), steps=5, unlearn_every=every, balance=0)
    assert unlearnt == []


@pytest.mark.usefixtures("unlearnt")
@pytest.mark.parametrize("balance", [0, 0.4, 0.6, 100])
def test_a_model_that_turned_round_counts_against_itself(balance: float) -> None:
    """The cosine is −1, so that the gradient is 1 + 2λ₀, and the pixels go down."""
    pixels = crafted(team(), steps=1, rate=0.125, balance=balance).state["trigger"]
    assert (pixels - 0.25).flatten().tolist() == [-0.125] * 4


@pytest.mark.usefixtures("unlearnt")
@pytest.mark.parametrize(("balance", "moved"), [(0.8, -0.125), (1.2, 0.125)])
def test_a_model_that_has_turned_away_counts_by_its_cosine(
    monkeypatch: pytest.MonkeyPatch, balance: float, moved: float
) -> None:
    """By 60°, of a cosine of 1/2, so that the gradient is 1 − λ₀."""

    def aside(_: A3FL, of: Team, *__: object) -> Network:
        across = cloud(len(of.received), seed=3)
        across = across - of.received * (across @ of.received) / of.received.square().sum()
        network = Network(model())
        network.load(of.received + across * (3**0.5 * of.received.norm() / across.norm()))
        return network

    monkeypatch.setattr(A3FL, "_unlearnt", aside)
    pixels = crafted(team(), steps=1, rate=0.125, balance=balance).state["trigger"]
    assert (pixels - 0.25).flatten().tolist() == [moved] * 4


def test_every_sample_that_can_be_misclassified_is_seen_once_before_any_is_seen_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sixteen of two times twelve, as eight are of the target class, in batches of six; honest clients draw anew."""
    seen = list[Samples]()
    monkeypatch.setattr(
        "fedlens.attacks.a3fl.trigger_gradient", lambda *of: (seen.append(of[3]), torch.zeros_like(of[2]))[1]
    )
    drawing = replace(team(), local=PLAN.model_copy(update={"replacement": True}))
    A3FL(steps=3, balance=0)._trained(drawing, GOAL, PATCH)
    assert [len(batch) for batch in seen] == [6, 6, 4]
    assert len(set().union(*map(images, seen))) == 16
    assert all(bool((batch.y == 1).all()) for batch in seen)


def test_it_begins_at_the_global_weights_wherever_the_network_is() -> None:
    of = team()
    first, again = crafted(of, steps=3), crafted(of, steps=3)
    assert torch.equal(first.state["trigger"], again.state["trigger"])
    assert torch.equal(first.updates, again.updates)


def test_training_goes_on_from_the_round_before() -> None:
    last = {"trigger": torch.full((1, 2, 2), -0.75, dtype=torch.float64)}
    pixels = crafted(team(last), steps=1, rate=0.05, balance=0).state["trigger"]
    assert (pixels + 0.75).abs().flatten().tolist() == pytest.approx([0.05] * 4)


def test_the_team_trains_one_trigger_with_the_samples_of_all() -> None:
    alone, both = (crafted(team(count=count), balance=0, steps=7, rate=0.03).state["trigger"] for count in (1, 2))
    assert not torch.equal(alone, both)


# What is sent


def test_members_train_on_their_samples_with_the_new_trigger() -> None:
    of = team()
    sent = crafted(of, boost=3)
    planted = GOAL.trained(sent.state)
    for member, row in zip(of.members, sent.updates, strict=True):
        samples = malicious_samples(planted, member.shard, 3, member.address.at("goal"))
        poisoned = DataPoisoning().poison(member.shard, member, samples)
        added = images(poisoned) - images(member.shard)
        assert added
        assert added <= images(Samples(samples.x, samples.target))
        expected = train(of.network, of.received, poisoned, PLAN, member.address)
        assert torch.equal(row, 3 * expected)
        assert member.log == {"steps": PLAN.steps_for(len(poisoned)), "boost": 3}
    assert not torch.equal(sent.updates[0], sent.updates[1])


def test_with_auto_the_team_replaces_the_model_together() -> None:
    single, boosted = crafted(team(), steps=1), crafted(team(), steps=1, boost="auto")
    torch.testing.assert_close(boosted.updates, 2 * single.updates)  # two of weight 1/4 each


@pytest.mark.parametrize("goal", [{}, {"goal": "backdoor"}])
def test_without_a_trigger_that_can_be_trained_it_is_refused(goal: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="goal"):
        Experiment(data="digits", attack="a3fl", **goal)  # type: ignore[arg-type]


# In a federation


def experiment(**changes: Any) -> Experiment:
    values: dict[str, Any] = {"data": "digits", "clients": 4, "rounds": 2, **PLANTING, "name": "a3fl"}
    values |= {"local": {"epochs": 1, "batch_size": 50}, "attack": {"name": "a3fl", **QUICK, "steps": 5}}
    return Experiment(**values | {"attackers": {"count": 2}} | changes)


def hits(weights: Tensor, goal: Backdoor) -> int:
    """How many test samples of other classes a model takes for the target class."""
    setting = prepare(experiment())
    network, test = setting.network(), setting.dataset.test
    network.load(weights)
    taken = network.log_probabilities(goal.inputs(test.x)).argmax(dim=1) == goal.target
    return int(taken[test.y != goal.target].sum())


def test_success_is_measured_with_the_trigger_of_the_round_in_the_twin_too(tmp_path: Path) -> None:
    results = list(simulate(experiment(), engine="serial"))
    setting = prepare(experiment())
    twin = [
        result.state.weights for result in simulate(experiment(attack=None, attackers=None, goal=None), engine="serial")
    ]
    triggers = [result.state.team["trigger"] for result in results]
    assert not torch.equal(*triggers)
    for result, benign in zip(results, twin, strict=True):
        assert isinstance(setting.goal, Backdoor)
        goal = setting.goal.trained(result.state.team)
        assert result.record.backdoor is not None
        assert result.record.twin is not None
        assert result.record.twin.backdoor is not None
        assert result.record.backdoor.hits == hits(result.state.weights, goal)
        assert result.record.twin.backdoor.hits == hits(benign, goal)
    run = fedlens.run(experiment(), tmp_path / "run", engine="serial")
    assert [record.backdoor for record in run.records] == [result.record.backdoor for result in results]
    shown = as_trained(setting, run).goal
    assert isinstance(shown, Backdoor)
    assert isinstance(shown.trigger, TrainedPatch)
    assert shown.trigger.pattern == tuple(triggers[-1].flatten().tolist())


def test_it_goes_on_after_an_interruption_as_without(tmp_path: Path) -> None:
    setting = prepare(experiment(control=False))
    with Serial() as engine:
        whole = list(federate(setting, engine))
        rest = list(federate(setting, engine, whole[0].state))
    assert torch.equal(rest[0].state.weights, whole[1].state.weights)
    assert torch.equal(rest[0].state.team["trigger"], whole[1].state.team["trigger"])


@pytest.mark.parametrize("engine", ["processes", "vectorised"])
def test_other_engines_do_the_same(engine: Any) -> None:
    ours, theirs = (
        list(simulate(experiment(control=False), engine=one, workers=count))
        for one, count in (("serial", 1), (engine, 2))
    )
    for one, other in zip(ours, theirs, strict=True):
        if engine == "processes":
            assert one.record.backdoor == other.record.backdoor
            assert torch.equal(one.state.weights, other.state.weights)
        torch.testing.assert_close(one.state.weights, other.state.weights, rtol=0, atol=2e-3)


def test_boosted_it_plants_its_trigger_and_a_server_that_limits_norms_stops_it() -> None:
    attack = A3FL(**{**QUICK, "steps": 20, "boost": "auto"})
    planted = after(attack, **PLANTING)
    clipped = after(attack, **PLANTING, aggregation=[{"name": "clip", "max_norm": 0.3}, "mean"])
    assert rate(planted) > 0.8
    assert planted.quality.accuracy > 0.6
    assert rate(clipped) < 0.4
