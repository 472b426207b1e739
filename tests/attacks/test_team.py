"""What attackers see alone and together, and what teams send."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from attacker import BRIEF, CLIENTS, MALICIOUS, TOGETHER, deep
from reach import images, overlap, reachable, shared, tensors
from small import small
from torch import Tensor

from fedlens.attacks.attack import Attack, View
from fedlens.attacks.inner_product_manipulation import InnerProductManipulation, manipulated
from fedlens.attacks.sign_flipping import SignFlipping
from fedlens.attacks.team import Crafted, Member, Team
from fedlens.core.config import validate
from fedlens.core.errors import ClientError, ConfigError
from fedlens.core.random import Address
from fedlens.core.registry import BUILT_IN, build
from fedlens.data.dataset import Samples
from fedlens.defences.chain import Chain
from fedlens.defences.rule import Rule
from fedlens.defences.stage import Server, Stage, State
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import Setting
from fedlens.goals.success import TargetSamples
from fedlens.simulation.engines.assumed_chain import Assumption
from fedlens.simulation.engines.context import GLOBAL, SharedTensors, WorkerContext
from fedlens.simulation.engines.jobs import HonestJob, MaliciousJob
from fedlens.simulation.engines.team_job import TeamJob
from fedlens.simulation.simulation import simulate

TEAM = (1, MALICIOUS)
"""Two of the four clients; a client's row is its number."""

FOOLSGOLD = Chain.of("foolsgold")
KEPT = (State(clients={client: {"history": torch.full((85002,), 0.5 + client)} for client in range(CLIENTS)}),)
"""A chain that keeps something of each client, and what."""

REQUIRED = {"inner-product-manipulation": {"eps": 0.5}}


def attack_of(name: str) -> Attack:
    """A built-in attack that takes little time."""
    attack = build("attack", {"name": name, **BRIEF.get(name, {}), **REQUIRED.get(name, {})}, Attack)
    assert isinstance(attack, Attack)
    return attack


def members(setting: Setting, attack: Attack) -> list[MaliciousJob]:
    """The jobs of both attackers in round 3."""
    assert setting.auxiliary is not None
    assumed = Assumption(FOOLSGOLD, CLIENTS, KEPT, (0, 1, 2, 3)) if attack.needs_rule else None
    return [
        MaliciousJob(3, row, row, 1, attack, 0.25, setting.auxiliary, (), 0.25, place, alone=False, assumed=assumed)
        for place, row in enumerate(TEAM)
    ]


def play(context: WorkerContext, setting: Setting, attack: Attack, state: Any = None) -> dict[str, Any]:
    """Play the team's part of round 3, for which every client has trained honestly."""
    for row in TEAM:
        HonestJob(3, row, row, 1).run(context)
    return TeamJob(tuple(members(setting, attack)), CLIENTS, state or {}).run(context)


# What they see


def spied(monkeypatch: pytest.MonkeyPatch, cls: type[Attack], verb: str) -> list[Any]:
    """Note what the attack's verb is given, and let it do its work."""
    seen: list[Any] = []
    does: Callable[..., Any] = getattr(cls, verb)

    def noting(self: Attack, given: Any) -> Any:
        seen.append(given)
        return does(self, given)

    monkeypatch.setattr(cls, verb, noting)
    return seen


def vectors(seen: object, size: int) -> list[Tensor]:
    """The rows of model size that can be reached."""
    return [row for tensor in tensors(seen) if tensor.shape[-1:] == (size,) for row in tensor.detach().view(-1, size)]


def pictures(seen: object) -> set[bytes]:
    found = [tensor for tensor in tensors(seen) if tensor.shape[1:] == (1, 8, 8)]
    return set().union(*(images(Samples(tensor, tensor)) for tensor in found))


def known_of(setting: Setting, clients: tuple[int, ...]) -> set[bytes]:
    """The pictures of these clients and those of the target samples."""
    assert setting.auxiliary is not None
    own = [setting.dataset.train.take(setting.shards.indices(client)) for client in clients]
    return set().union(*map(images, own)) | {image.numpy().tobytes() for image in setting.auxiliary.x}


@pytest.mark.parametrize("name", [name for name in BUILT_IN["attack"] if name not in TOGETHER])
def test_nothing_beyond_its_sight_is_in_reach_of_a_built_in_attack(
    name: str, context: WorkerContext, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack = attack_of(name)
    verb = "collude" if attack.colludes else "craft"
    seen = spied(monkeypatch, type(attack), verb)
    honest = context.shared.updates.clone()
    if attack.colludes:
        play(context, setting, attack)
    else:
        members(setting, attack)[1].run(context)
    [given] = seen
    clients = TEAM if attack.colludes else (MALICIOUS,)
    assert not shared(given, context)
    assert pictures(given) <= known_of(setting, clients)
    assert pictures(given) & known_of(setting, (MALICIOUS,))
    addresses = {item for item in reachable(given) if isinstance(item, Address)}
    own = {setting.root.at("client", 3, client) for client in clients}
    assert addresses == own | ({setting.root.at("team", 3)} if attack.colludes else set())
    assert not any(isinstance(item, WorkerContext | SharedTensors | Setting | Experiment) for item in reachable(given))
    assert not overlap(given, [kept["history"] for kept in KEPT[0].clients.values()])
    if not attack.needs_rule:
        assert given.server is None
        assert not any(isinstance(item, Chain | Rule | Stage | Server | State) for item in reachable(given))
    if attack.sight != "all":
        strangers = [honest[row] for row in range(CLIENTS) if row not in clients and honest[row].any()]
        assert strangers
        before = context.shared.models[GLOBAL]
        forbidden = [known for row in strangers for known in (row, before + row)]
        assert not any(torch.equal(row, known) for row in vectors(given, len(before)) for known in forbidden)


class TriesTheRule(Attack):
    """Keeps what it is given, of which the server is a part."""

    needs_rule = True
    seen: ClassVar[list[Any]] = []

    def craft(self, view: View) -> Tensor:
        self.seen.append(view)
        assert view.server is not None
        rows = torch.stack([torch.full_like(view.weights, number) for number in (1, 2, 3, 7)])
        view.log["step"] = float(view.server.step(rows)[0])
        return torch.zeros_like(view.weights)


class TeamTriesTheRule(TriesTheRule):
    sight = "team"

    def collude(self, team: Team) -> Crafted:
        self.seen.append(team)
        return Crafted(torch.zeros_like(team.honest))


@pytest.mark.parametrize("cls", [TriesTheRule, TeamTriesTheRule])
@pytest.mark.parametrize("knows", [False, True])
def test_what_the_server_keeps_is_in_reach_of_who_knows_it_alone(
    cls: type[TriesTheRule], knows: bool, context: WorkerContext, setting: Setting
) -> None:
    cls.seen.clear()
    clients = (7, 5, 9, 8)
    assumed = Assumption(FOOLSGOLD, CLIENTS, KEPT, clients) if knows else Assumption(FOOLSGOLD, CLIENTS)
    jobs = [replace(job, assumed=assumed) for job in members(setting, cls())]
    if cls.collude is Attack.collude:
        jobs[1].run(context)
    else:
        TeamJob(tuple(jobs), CLIENTS, {}).run(context)
    given = cls.seen[-1]
    found = [
        row for kept in KEPT[0].clients.values() for row in vectors(given, 85002) if torch.equal(row, kept["history"])
    ]
    assert len(found) == (CLIENTS if knows else 0)
    assert not overlap(given, [kept["history"] for kept in KEPT[0].clients.values()])
    assert not shared(given, context)
    (server,) = [item for item in reachable(given) if isinstance(item, Server)]
    assert server.root is None
    last = (clients[1], clients[2]) if cls.collude is not Attack.collude else (clients[2],)
    assert server.clients == ((*(client for client in clients if client not in last), *last) if knows else (0, 1, 2, 3))
    assert given.server.components == FOOLSGOLD.stages
    assert given.server.components[0] is not FOOLSGOLD.stages[0]


def test_a_step_of_the_assumed_server_can_be_repeated(context: WorkerContext, setting: Setting) -> None:
    # The member has a quarter of the weight, and the three others share the rest.
    assumed = Assumption(Chain.of("mean"), CLIENTS)
    log = replace(members(setting, TriesTheRule())[1], assumed=assumed).run(context)
    assert log["step"] == pytest.approx((1 + 2 + 3 + 7) / 4)
    drawn = Assumption(Chain.of(["bucketing", "median", "fedavgm"]), CLIENTS)
    server = replace(members(setting, TriesTheRule())[1], assumed=drawn).view(context).server
    assert server is not None
    rows = torch.randn(CLIENTS, len(context.shared.models[GLOBAL]), generator=torch.Generator().manual_seed(1))
    before, state = rows.clone(), torch.random.get_rng_state()
    assert torch.equal(server.step(rows), server.step(rows))
    assert torch.equal(rows, before)
    assert torch.equal(torch.random.get_rng_state(), state)
    with pytest.raises(ValueError, match="3 updates; 4 are right, a row for each client"):
        server.step(rows[:3])


class Sees(Attack):
    """Keeps what it is given."""

    sight = "team"
    seen: ClassVar[list[Any]] = []

    def craft(self, view: View) -> Tensor:
        self.seen.append(view)
        return torch.zeros_like(view.weights)


class SeesAll(Sees):
    sight = "all"


class Colludes(Sees):
    def collude(self, team: Team) -> Crafted:
        self.seen.append(team)
        return Crafted(torch.zeros_like(team.honest))


@pytest.fixture(autouse=True)
def forget() -> None:
    Sees.seen.clear()


def test_a_team_is_given_its_own_honest_updates_and_no_others(context: WorkerContext, setting: Setting) -> None:
    play(context, setting, Colludes())
    (team,) = Sees.seen
    honest = torch.zeros_like(team.honest)
    for row, client in enumerate(TEAM):
        HonestJob(3, client, client, 1).run(context)
        honest[row] = context.shared.updates[client]
    assert torch.equal(team.honest, honest)
    assert honest.any(dim=1).all()
    assert (team.others, team.cohort, team.round, team.alpha) == (None, CLIENTS, 3, 0.5)
    assert [(member.place, member.alpha, len(member.shard) > 300) for member in team.members] == [
        (0, 0.25, True),
        (1, 0.25, True),
    ]
    strangers = [context.shared.updates[row] for row in (0, 3)]
    assert not any(torch.equal(row, known) for row in vectors(team, team.honest.shape[1]) for known in strangers)
    assert not shared(team, context)


@pytest.mark.parametrize(("attack", "rows"), [(Sees(), {1: [2], 2: [1]}), (SeesAll(), {1: [0, 2, 3], 2: [0, 1, 3]})])
def test_each_that_crafts_by_itself_sees_the_others_honest_updates(
    attack: Attack, rows: dict[int, list[int]], context: WorkerContext, setting: Setting
) -> None:
    for client in TEAM:
        HonestJob(3, client, client, 1).run(context)
    honest = context.shared.updates.clone()
    play(context, setting, attack)
    for view, client in zip(Sees.seen, TEAM, strict=True):
        assert torch.equal(view.others, honest[rows[client]])
        assert (view.alpha, view.team_alpha, view.place) == (0.25, 0.5, TEAM.index(client))
        assert not shared(view, context)
    assert not context.shared.updates[[*TEAM]].any(), "what they sent"
    assert torch.equal(context.shared.updates[[0, 3]], honest[[0, 3]])


def test_sight_and_omniscience_agree() -> None:
    class Old(Attack):
        omniscient = True

    class Child(Old):
        pass

    class Blind(Old):
        omniscient = False

    assert [cls.sight for cls in (Attack, Old, Child, Blind, Sees, SeesAll)] == [
        "own",
        "all",
        "all",
        "own",
        "team",
        "all",
    ]
    assert [cls.omniscient for cls in (Attack, Old, Child, Blind, Sees, SeesAll)] == [
        False,
        True,
        True,
        False,
        False,
        True,
    ]


def test_who_colludes_says_what_it_sees() -> None:
    with pytest.raises(TypeError, match='collude is for a team that sees more than each its own; add sight = "team"'):

        class Wrong(Attack):
            def collude(self, team: Team) -> Crafted:
                return Crafted(team.honest)


def test_a_team_that_colludes_corrects_nothing() -> None:
    with pytest.raises(ConfigError, match=r"estimate: .*-o attack.estimate=null"):
        validate(Experiment, {"attack": {"name": "inner-product-manipulation", "eps": 1, "estimate": "pre"}})


# What they send


def test_inner_product_manipulation_by_hand() -> None:
    honest = torch.tensor([[1.0, 0.0], [3.0, 2.0]])
    sent = manipulated(honest, 0.5)
    assert sent.tolist() == [-1.0, -0.5]
    assert torch.cat([honest, sent[None]]).mean(dim=0).tolist() == [1.0, 0.5]
    # with one attacker of three, the mean turns round beyond b / m = 2
    for eps, sign in ((1.9, 1), (2.1, -1)):
        assert torch.cat([honest, manipulated(honest, eps)[None]]).mean(dim=0).sign().tolist() == [sign, sign]
    assert manipulated(honest[:0], 3).tolist() == [0, 0]


def test_every_manipulator_sends_the_others_mean_turned_round(context: WorkerContext, setting: Setting) -> None:
    others = context.shared.updates[[0, 3]].clone()
    result = play(context, setting, InnerProductManipulation(eps=4))
    for row in TEAM:
        torch.testing.assert_close(context.shared.updates[row], -4 * others.mean(dim=0))
    assert result["members"] == [{"acted": True, "reason": None, "alpha": 0.25}] * 2
    assert torch.equal(context.shared.updates[[0, 3]], others)


def test_sign_flipping_sends_its_own_update_turned_round() -> None:
    view, same = deep(), deep()
    assert torch.equal(SignFlipping(c=3).craft(view), -3 * same.train())
    # four equal clients of whom one attacks: half of the step is left
    step = same.train()
    assert torch.allclose((3 * step + SignFlipping().craft(view)) / 4, step / 2)


def test_a_team_that_waits_trains_honestly(context: WorkerContext, setting: Setting) -> None:
    result = play(context, setting, Colludes(delay=4), {"kept": torch.ones(1)})
    assert not Sees.seen
    assert [log["reason"] for log in result["members"]] == ["delay", "delay"]
    assert result["state"]["kept"].tolist() == [1]
    sent = context.shared.updates.clone()
    for client in TEAM:
        HonestJob(3, client, client, 1).run(context)
    assert torch.equal(sent, context.shared.updates)


class HalfWaits(Colludes):
    sight = "all"

    def waits(self, view: View) -> str | None:
        return "shy" if view.place == 0 else None


def test_who_waits_is_one_of_the_others(context: WorkerContext, setting: Setting) -> None:
    result = play(context, setting, HalfWaits())
    (team,) = Sees.seen
    assert [member.place for member in team.members] == [1]
    assert len(team.others) == 3
    assert torch.equal(team.others[1], context.shared.updates[1])
    assert [log["acted"] for log in result["members"]] == [False, True]


class Relabels(Attack):
    """Has each member of the team take another class for the one after it."""

    def poison(self, samples: Samples, member: Member, goal: TargetSamples) -> Samples:
        wrong = torch.where(samples.y == member.place, samples.y + 1, samples.y)
        return Samples(samples.x, wrong)


def test_a_class_need_only_poison() -> None:
    assert Relabels().poisons
    assert not Relabels(estimate="pre").poisons
    assert not Sees().poisons
    assert not Returns(what="nothing", estimate=None).poisons, "it crafts, too"


def test_what_is_trained_on_poisoned_samples_is_sent(context: WorkerContext, setting: Setting) -> None:
    for job in members(setting, Relabels(boost=2)):
        log = job.run(context)
        view = job.view(context)
        labels = torch.where(view.shard.y == job.place, view.shard.y + 1, view.shard.y)
        assert not torch.equal(labels, view.shard.y)
        wrong = View(**{**vars(view), "shard": Samples(view.shard.x, labels)})
        assert torch.equal(context.shared.updates[job.row], 2 * wrong.train())
        assert log == {"acted": True, "reason": None, "alpha": 0.25, "steps": 3, "boost": 2}


class Returns(Sees):
    """Returns what it should not."""

    what: str

    def poison(self, samples: Samples, member: Member, goal: TargetSamples) -> Any:
        return {
            "nothing": None,
            "none": Samples(samples.x[:0], samples.y[:0]),
            "flat": Samples(samples.y, samples.y),
        }.get(self.what, samples)

    def collude(self, team: Team) -> Any:
        return {
            "tensor": team.honest,
            "list": Crafted([1]),  # type: ignore[arg-type]
            "state": Crafted(team.honest, [1]),  # type: ignore[arg-type]
            "name": Crafted(team.honest, {3: torch.ones(1)}),  # type: ignore[dict-item]
            "kept": Crafted(team.honest, {"mean": 3}),  # type: ignore[dict-item]
        }[self.what]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("nothing", r"poison.* returned None; return Samples\(x, y\)"),
        ("none", "poison.* returned .*at least one"),
        ("flat", "poison.* returned .*like those that it was given"),
        ("tensor", r"collude.* returned .*Tensor.*; return Crafted\(updates\)"),
        ("list", r"sent a list; a tensor of shape \(2, \d+\) is right, a row for each member"),
        ("state", "keeps .*list.*; a dict of tensors by their names is right"),
        ("name", "keeps something as 3; names are words"),
        ("kept", "keeps 'mean', which is .*; dense tensors of real numbers are right"),
    ],
)
def test_what_a_strangers_team_must_not_return(what: str, words: str, context: WorkerContext, setting: Setting) -> None:
    with pytest.raises(ClientError, match=words):
        play(context, setting, Returns(what=what))


class Misshapes(Attack):
    """Sends updates that are none of this model."""

    sight = "team"
    what: str

    def collude(self, team: Team) -> Crafted:
        honest = team.honest
        return Crafted(
            {
                "short": honest[:, 1:],
                "one": honest[0],
                "three": torch.zeros(3, honest.shape[1]),
                "deep": honest[:, None],
                "double": honest.double(),
                "infinite": honest * torch.inf,
            }[self.what]
        )


@pytest.mark.parametrize("what", ["short", "one", "three", "deep", "double", "infinite"])
def test_a_team_that_sends_updates_of_another_shape_does_not_end_the_run(what: str) -> None:
    experiment = small(rounds=2, attack=Misshapes(what=what), attackers={"count": 2}, control=False)
    records = [result.record for result in simulate(experiment, engine="serial")]
    for record in records:
        assert record.malformed == record.rejected == [2, 3]
