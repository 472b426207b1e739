"""An attack that tries the server's chain on clients that it anticipates: planted weaknesses, and all goals."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from attacker import ADDRESS, cloud, look
from small import small
from teams import Linear
from torch import Tensor, nn

from fedlens.attacks.anticipate import Anticipate
from fedlens.attacks.anticipation import anticipated
from fedlens.attacks.estimation import Observation
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.attacks.known_samples import Known
from fedlens.attacks.ladder import objective
from fedlens.attacks.malicious_directions import OUTWARD, MaliciousDirections
from fedlens.attacks.simulated_rounds import SimulatedRounds
from fedlens.attacks.team import Member, Team
from fedlens.attacks.utility import Price
from fedlens.attacks.warm_starts import FACTORS, warm_starts
from fedlens.core.errors import ConfigError
from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.defences.chain import Chain
from fedlens.defences.norm_filter import NormFilter
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.experiment.setting import prepare
from fedlens.goals.damage import Damage
from fedlens.goals.goal import Goal
from fedlens.goals.success import TargetSamples
from fedlens.models.network import Network
from fedlens.simulation.engines.assumed_chain import Assumption
from fedlens.simulation.engines.inspection import ValidationJob
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.engines.team_job import TeamJob
from fedlens.simulation.rounds import federate
from fedlens.simulation.simulation import simulate
from fedlens.training.local import LocalTraining, train

CLIENTS, FEATURES, CLASSES = 8, 12, 3
DRAWN = Address.root(20261201).at("planted").generator()
"""Where the weaknesses of rules are drawn."""

CENTRES = cloud(CLASSES, FEATURES, seed=1).float() * 1.2
FAST: Mapping[str, Any] = {"bootstraps": 4, "scenarios": 2, "iterations": 1}
FREE: Mapping[str, Any] = {**FAST, "accuracy_price": 0}
"""Where it is about the way through a rule, and not about what that costs."""


def drawn(count: int, seed: int) -> Samples:
    """Samples around the centre of their class."""
    y = torch.arange(count) % CLASSES
    return Samples(CENTRES[y] + cloud(count, FEATURES, seed=seed).float(), y)


class Flip(Goal):
    """Inputs whose first feature is 4 are to be taken for class 2."""

    def inputs(self, x: Tensor, part: int | None = None) -> Tensor:
        x[:, 0] = 4
        return x

    def wanted(self, y: Tensor) -> Tensor:
        return torch.where(y != 2, 2, -1)


class Federation:
    """Eight clients who have trained for some steps; the last ones attack."""

    def __init__(self, attackers: int = 1, size: int = 60, seed: int = 3) -> None:
        self.network = Network(nn.Sequential(nn.Linear(FEATURES, 8), nn.Tanh(), nn.Linear(8, CLASSES)))
        size_ = self.network.layout.size
        self.local = LocalTraining(epochs=2, batch_size=20, learning_rate=0.02)
        self.shards = [drawn(size, 100 * seed + client) for client in range(CLIENTS)]
        self.test = drawn(600, 7)
        start = cloud(size_, seed=seed).float() / 4
        self.weights = start + train(self.network, start, drawn(600, 99), LocalTraining(steps=30), ADDRESS)
        self.updates = torch.stack(
            [
                train(self.network, self.weights, shard, self.local, ADDRESS.at("honest", client))
                for client, shard in enumerate(self.shards)
            ]
        )
        self.attackers = attackers
        # A sample of class 0 that is to be taken for class 1, near neither of the others.
        x = CENTRES[:1] + 0.3 * (CENTRES[1:2] - CENTRES[:1])
        self.target = TargetSamples(x, torch.tensor([0]), torch.tensor([1]), torch.tensor([0]))

    def team(
        self, rule: Any, goal: Goal | None = None, *, checks: Mapping[str, Any] | None = None, **changes: Any
    ) -> Team:
        """The attackers as they are given to an attack."""
        rows = range(CLIENTS - self.attackers, CLIENTS)
        assumption = Assumption(Chain.of(rule), CLIENTS, checks=checks or {})
        server = assumption.server(
            1, self.weights, Layout.of(self.network.module), dict.fromkeys(rows, 1 / CLIENTS), Address.root(5)
        )
        members = tuple(
            Member(place, 1 / CLIENTS, self.shards[row], ADDRESS.at(row), goal=goal, log={}, classes=CLASSES)
            for place, row in enumerate(rows)
        )
        mine = self.updates[list(rows)].clone()
        given: dict[str, Any] = {
            "round": 1, "received": self.weights.clone(), "members": members, "honest": mine, "others": None,
            "cohort": CLIENTS, "auxiliary": self.target, "local": self.local, "network": self.network,
            "address": Address.root(5), "server": server,
        }  # fmt: skip
        return Team(**{**given, **changes})

    def after(self, team: Team, rows: Tensor) -> Tensor:
        """The real global model, with the real others."""
        assert team.server is not None
        return self.weights + team.server.step(torch.cat([self.updates[: CLIENTS - self.attackers], rows]))

    def confidence(self, weights: Tensor) -> float:
        self.network.load(weights)
        return float(self.network.log_probabilities(self.target.x)[0, 1].exp())

    def flipped(self, weights: Tensor) -> float:
        """The share of triggered test samples that are taken for class 2."""
        asked = self.test.y != 2
        self.network.load(weights)
        answers = self.network.log_probabilities(Flip().inputs(self.test.x[asked].clone())).argmax(dim=1)
        return float((answers == 2).float().mean())

    def accuracy(self, weights: Tensor) -> float:
        self.network.load(weights)
        return float((self.network.log_probabilities(self.test.x).argmax(dim=1) == self.test.y).float().mean())


@pytest.fixture(scope="module")
def federation() -> Federation:
    return Federation()


class Leak(Rule):
    """A median that leaks a little of the mean."""

    eta: float

    def aggregate(self, received: Received) -> Aggregate:
        updates = received.updates
        return Aggregate((1 - self.eta) * updates.median(dim=0).values + self.eta * updates.mean(dim=0))


class Quantised(Rule):
    """A mean of rounded entries, by NumPy."""

    def aggregate(self, received: Received) -> Aggregate:
        array = received.updates.numpy().copy()
        return Aggregate(torch.from_numpy((array / 0.02).round().mean(axis=0) * 0.02).to(received.updates))


class Gate(Rule):
    """A mean of the updates whose length is within a window."""

    low: float
    high: float

    def aggregate(self, received: Received) -> Aggregate:
        lengths = received.updates.norm(dim=1)
        taken = (lengths > self.low) & (lengths < self.high)
        shares = taken.double() / max(int(taken.sum()), 1)
        return Aggregate(shares.to(received.updates) @ received.updates, shares)


def boosts(federation: Federation) -> list[Tensor]:
    """What explicit boosting sends at several factors."""
    view = look(
        weights=federation.weights, network=federation.network, auxiliary=federation.target, local=federation.local
    )
    alone = ExplicitBoosting(boost=1, step_cap=200).craft(view)
    return [factor * alone for factor in (*FACTORS, CLIENTS)]


def test_it_finds_a_leak_of_any_size_where_boosting_fails(federation: Federation) -> None:
    team = federation.team(Leak(eta=float(10 ** DRAWN.uniform(-3, -1.5))))
    sent = Anticipate(**FREE).collude(team).updates
    assert federation.confidence(federation.after(team, sent)) > 0.9
    for boosted in boosts(federation):
        assert federation.confidence(federation.after(team, boosted[None])) < 0.6


def test_it_finds_a_window_where_long_updates_and_short_ones_are_dropped(federation: Federation) -> None:
    typical = float(federation.updates.norm(dim=1).mean())
    low = float(DRAWN.uniform(0.3, 0.6)) * typical
    gate = Gate(low=low, high=low + 1.2 * typical)
    team = federation.team(gate)
    sent = Anticipate(**FREE).collude(team).updates
    assert gate.low < float(sent.norm()) < gate.high
    idle = federation.confidence(federation.after(team, torch.full_like(sent, torch.nan)))
    assert federation.confidence(federation.after(team, sent)) > idle + 0.02
    assert team.members[0].log["acceptance"] == 1


def test_it_knows_how_much_of_a_very_long_update_comes_through(federation: Federation) -> None:
    def leak(rule: Any) -> float:
        team = federation.team(rule)
        known = Known.of(team, 0.3)
        utility = known.utility(team.network, Price(0.02, 0, 0), 0.95)
        rounds = SimulatedRounds(team, utility, anticipated(team, known.shards, 4, 2, 0.85))
        direction = torch.full_like(federation.weights, len(federation.weights) ** -0.5)
        return rounds.leak(team.honest[0], direction, 0.5)

    assert leak(Leak(eta=1e-3)) == pytest.approx(1e-3 / CLIENTS, rel=1e-3)
    assert leak(Leak(eta=1e-5)) == pytest.approx(1e-5 / CLIENTS, rel=1e-2)
    assert [leak(rule) for rule in ("median", {"name": "krum", "f": 1}, "geometric-median")] == [0, 0, 0]
    assert leak("mean") == 0, "that is seen from near"


def test_updates_that_were_trained_until_they_were_so_long(federation: Federation) -> None:
    team = federation.team("mean")
    known = Known.of(team, 0.3)
    ways = MaliciousDirections(
        team.network, known.wanted, known.own, team.local, torch.ones_like(federation.weights), damage=False
    )
    typical = float(team.honest.norm())
    sent = list(ways.outward(federation.weights, typical, ADDRESS))
    assert [float(update.norm()) / typical for update in sent] == pytest.approx(OUTWARD[: len(sent)])
    assert len(sent) > 7
    # They do what is wanted, and keep accuracy where a short one that is stretched to the length loses it.
    long, stretched = federation.weights + sent[-1], federation.weights + sent[0] * (sent[-1].norm() / sent[0].norm())
    assert federation.confidence(long) > 0.9
    assert federation.accuracy(long) > federation.accuracy(stretched)
    assert list(ways.outward(federation.weights, 0.0, ADDRESS)) == []


def test_it_needs_no_gradient_of_the_rule(federation: Federation) -> None:
    team = federation.team(Quantised())
    sent = Anticipate(**FREE).collude(team).updates
    assert not sent.requires_grad
    assert federation.confidence(federation.after(team, sent)) > 0.9


def test_under_a_median_one_of_eight_gets_nowhere(federation: Federation) -> None:
    team = federation.team("median")
    sent = Anticipate(**FAST).collude(team).updates
    assert federation.confidence(federation.after(team, sent)) < 0.5


def test_it_stays_below_a_rejecting_check_that_it_knows(federation: Federation) -> None:
    longest = 1.5 * float(federation.updates.norm(dim=1).max())
    team = federation.team("mean", checks={"norm-filter": NormFilter(max_norm=longest, action="reject")})
    sent = Anticipate(**FAST).collude(team).updates
    assert float(sent.norm()) <= longest
    unaware = Anticipate(**FAST).collude(federation.team("mean")).updates
    assert float(unaware.norm()) > longest
    assert team.members[0].log["acceptance"] == 1


def test_what_no_round_takes_is_searched_for_again_where_the_others_are(federation: Federation) -> None:
    team = federation.team({"name": "krum", "f": 1})
    known = Known.of(team, 0.3)
    utility = known.utility(team.network, Price(0.02, 0, 0), 0.95)
    others = anticipated(team, known.shards, 4, 2, 0.85)
    ways = MaliciousDirections(team.network, known.wanted, known.own, team.local, others.deviation, damage=False)
    far = team.honest + 100
    attack = Anticipate(**FREE)
    found, calls = attack._accepted(rounds := SimulatedRounds(team, utility, others), ways, far)
    assert not rounds.acceptance(far)
    assert rounds.acceptance(found)
    assert objective(rounds.worths(found)) > objective(rounds.worths(far))
    assert calls == 0
    # They may be anywhere: it goes on as if they were where they are expected.
    lost = replace(others, mean=replace(others.mean, error=100.0))
    surer = SimulatedRounds(team, utility, replace(lost, mean=replace(lost.mean, error=0.0)))
    attack = Anticipate(**{**FREE, "iterations": 0})
    found, calls = attack._accepted(rounds := SimulatedRounds(team, utility, lost), ways, far)
    assert not rounds.acceptance(found)
    centre = surer.same(others.centre)
    assert objective(surer.worths(found)) >= objective(surer.worths(centre))
    assert calls > 0


@pytest.mark.parametrize("rule", ["mean", {"name": "krum", "f": 1}, ["foolsgold", "fedavgm"]])
def test_it_plans_at_least_as_well_as_what_it_begins_with(federation: Federation, rule: Any) -> None:
    team, attack = federation.team(rule), Anticipate(**FAST)
    known = Known.of(team, attack.held_back)
    utility = known.utility(team.network, Price(attack.accuracy_limit, 100, attack.doubt), attack.confidence)
    others = anticipated(team, known.shards, attack.bootstraps, attack.scenarios, attack.caution)
    rounds = SimulatedRounds(team, utility, others)
    if not rounds.acceptance(sent := attack.collude(team).updates):
        rounds = SimulatedRounds(team, utility, replace(others, mean=replace(others.mean, error=0.0)))
    planned = objective(rounds.worths(sent))
    starts = list(warm_starts(team, known.own, known.targets))
    assert len(starts) == 7
    assert all(planned >= objective(rounds.worths(start[None])) - 1e-6 for start in [*starts, others.centre])


# What it knows


@pytest.mark.parametrize("goal", [None, Damage(), Flip()], ids=["targets", "damage", "flip"])
@pytest.mark.parametrize("attackers", [1, 2])
def test_every_goal_gains_against_honest_updates(goal: Goal | None, attackers: int) -> None:
    many = Federation(attackers)
    team = many.team("mean", goal)
    sent = Anticipate(**FREE).collude(team).updates
    assert sent.shape == team.honest.shape
    (log,) = {tuple(sorted(member.log.items())) for member in team.members}
    planned = dict(log)
    assert planned["utility"] > planned["idle"] + 1
    assert 0 < planned["rho"] < 1
    after, honest = many.after(team, sent), many.after(team, team.honest)
    if goal is None:
        assert many.confidence(after) > many.confidence(honest) + 0.3
    elif goal.asks:
        assert many.flipped(after) > many.flipped(honest) + 0.3
    else:
        assert many.accuracy(after) < many.accuracy(honest) - 0.3
        assert planned["accuracy_cost"] == 0


def test_who_sees_all_simulates_nobody(federation: Federation) -> None:
    team = federation.team({"name": "krum", "f": 1}, others=federation.updates[:-1].clone())
    sent = Anticipate(sees="all", **FAST).collude(team).updates
    planned, after = team.members[0].log, federation.after(team, sent)
    assert planned["rho"] == 1
    assert planned["confidence"] == pytest.approx(federation.confidence(after), abs=1e-6)
    assert planned["acceptance"] == float(torch.equal(after, federation.weights + sent[0]))


def test_alone_it_plans_as_a_team_of_one_does(federation: Federation) -> None:
    team = federation.team("median")
    (member,) = team.members
    view = look(
        weights=federation.weights, network=federation.network, auxiliary=federation.target, local=federation.local,
        shard=member.shard, address=member.address, alpha=member.alpha, server=team.server,
    )  # fmt: skip
    attack = Anticipate(sees="own", bootstraps=2, scenarios=1, iterations=0, warm_starts=False)
    assert attack.sight == "own"
    update = attack.craft(view)
    federation.network.load(federation.weights)
    honest = train(federation.network, federation.weights, member.shard, federation.local, member.address)
    same = federation.team("median", honest=honest[None], address=member.address)
    assert torch.equal(update, attack.collude(same).updates[0])
    assert view.log == same.members[0].log


OPTIONS: list[dict[str, Any]] = [
    {"caution": 0.3},
    {"bootstraps": 3},
    {"scenarios": 1},
    {"iterations": 0},
    {"held_back": 0.6},
    {"accuracy_limit": 0.5},
    {"accuracy_price": 0},
    {"doubt": 3},
    {"warm_starts": True},
]


COLD: Mapping[str, Any] = {**FAST, "warm_starts": False}


@pytest.fixture(scope="module")
def usual(federation: Federation) -> Tensor:
    return Anticipate(**COLD).collude(federation.team("mean")).updates


def test_it_does_the_same_again(federation: Federation, usual: Tensor) -> None:
    assert torch.equal(usual, Anticipate(**COLD).collude(federation.team("mean")).updates)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: next(iter(option)))
def test_every_option_has_an_effect(federation: Federation, usual: Tensor, option: dict[str, Any]) -> None:
    changed = Anticipate(**{**COLD, **option}).collude(federation.team("mean")).updates
    assert not torch.equal(usual, changed)


def test_it_goes_little_further_than_the_confidence_that_it_wants(federation: Federation) -> None:
    """It stays a step from where something is lost, so that it is shortened by a fifth once or twice too rarely."""
    reached = []
    for wanted in (0.6, 0.9):
        team = federation.team("mean")
        Anticipate(**FREE, confidence=wanted).collude(team)
        reached.append(team.members[0].log["confidence"])
        assert wanted - 0.02 <= reached[-1] <= wanted + 0.2
    assert reached[0] < reached[1] - 0.1


@pytest.mark.parametrize(("real", "caution"), [("utility", 0.88), ("idle", 0.6)])
@pytest.mark.parametrize("feedback", [True, False])
def test_the_caution_follows_what_became_of_the_last_update(
    federation: Federation, real: str, caution: float, feedback: bool
) -> None:
    federation.network.load(federation.weights)
    row = federation.network.log_probabilities(federation.target.x)[0].double()
    odds = float(row[1] - row[[0, 2]].logsumexp(dim=0))
    log = {"caution": 0.8, "utility": odds + 9, "idle": odds - 9, real: odds}
    team = federation.team("mean")
    seen = Observation(0, 1 / CLIENTS, federation.weights, federation.weights, log)
    team = replace(team, members=(replace(team.members[0], history=(seen,)),))
    Anticipate(feedback=feedback, bootstraps=2, scenarios=1, iterations=0, warm_starts=False).collude(team)
    assert team.members[0].log["caution"] == pytest.approx(caution if feedback else 0.85)
    unseen = replace(team.members[0], history=(replace(seen, round=-1),))
    later = replace(team, members=(unseen,))
    Anticipate(feedback=feedback, bootstraps=2, scenarios=1, iterations=0, warm_starts=False).collude(later)
    assert later.members[0].log["caution"] == pytest.approx(0.8 if feedback else 0.85), "nobody saw its end"


QUICK = {"name": "anticipate", "bootstraps": 3, "scenarios": 2, "iterations": 1}


def sent_in(**changes: Any) -> list[Tensor]:
    """The global models of a small federation, whose rule is the attacker's only way in."""
    plan = {"attack": QUICK, "rounds": 2, "aggregation": "mean", "model": Linear(), **changes}
    return [result.state.weights for result in simulate(small(**plan), engine="serial")]


def test_validation_samples_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    plan: dict[str, Any] = {"validation": 60, "checks": [{"name": "accuracy", "action": "observe"}]}
    before = sent_in(**plan)
    plain = ValidationJob.run
    monkeypatch.setattr(ValidationJob, "run", lambda *args: {"accuracy": plain(*args)["accuracy"] / 2})
    for one, other in zip(before, sent_in(**plan), strict=True):
        assert torch.equal(one, other)


def test_others_updates_make_no_difference_to_what_it_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Tensor] = []
    plain = TeamJob._colluding

    def spying(garbage: bool) -> Any:
        def colluding(self: TeamJob, context: Any, updates: Tensor) -> Any:
            if garbage:
                updates[:-1] = torch.nan
            made = plain(self, context, updates)
            sent.append(made[0][0][0].clone())
            return made

        return colluding

    for garbage in (False, True):
        monkeypatch.setattr(TeamJob, "_colluding", spying(garbage))
        sent_in(rounds=1)
    assert len(sent) == 2
    assert torch.equal(*sent)


def test_a_resumed_run_goes_on_as_it_would_have() -> None:
    experiment = small(attack=QUICK, aggregation=["median", "fedavgm"], rounds=2, model=Linear())
    setting = prepare(experiment).with_target(None)
    whole = list(federate(setting, Serial()))
    again = list(federate(setting, Serial(), whole[0].state))
    assert torch.equal(whole[1].state.weights, again[0].state.weights)
    assert whole[1].record.malicious == again[0].record.malicious


@pytest.mark.parametrize("name", ["confidence", "held_back", "bootstraps", "caution"])
def test_impossible_options(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Anticipate(**{name: 0})
