"""Backdoors and damage in whole runs: what is measured, against which twin, and that it is the same on every engine."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import fedlens
from fedlens import Attack, Experiment, Goal, Trigger, View, load_run, run, simulate
from fedlens.data.digits import Digits
from fedlens.experiment.setting import prepare
from fedlens.goals.backdoor import Backdoor
from fedlens.goals.distributed import Distributed
from fedlens.runs.record import ClientRecord, RoundRecord
from fedlens.simulation.twin import Control

DBA = {"name": "backdoor", "trigger": {"name": "distributed", "size": 3}}


def experiment(**changes: Any) -> Experiment:
    values: dict[str, Any] = {"data": "digits", "clients": 4, "rounds": 2, "goal": DBA}
    values |= {"local": {"epochs": 2, "batch_size": 20, "learning_rate": 0.003}}
    values |= {"attack": {"name": "data-poisoning", "boost": 4}}
    return Experiment(**values | changes)


def records(of: Experiment, engine: Any = "serial", **options: Any) -> list[RoundRecord]:
    return [result.record for result in simulate(of, engine=engine, **options)]


def counted(weights: Tensor, goal: Backdoor, part: int | None, *, triggered: bool = True) -> int:
    """How many test samples of other classes a model takes for the target class, in plain words."""
    setting = prepare(experiment())
    network, test = setting.network(), setting.dataset.test
    network.load(weights)
    fitted = goal.fitted(Digits(), setting.dataset)
    hits = 0
    for x, y in zip(test.x, test.y, strict=True):
        if int(y) != fitted.target:
            shown = fitted.inputs(x[None], part) if triggered else x[None]
            hits += int(network.log_probabilities(shown).argmax()) == fitted.target
    return hits


def test_hits_are_those_counted_one_by_one_for_the_run_and_for_its_twin(tmp_path: Path) -> None:
    goal = experiment().goal
    assert isinstance(goal, Backdoor)
    done = run(experiment(), tmp_path / "run", engine="serial", keep_weights=True)
    for record in done.records:
        assert record.backdoor is not None
        weights = done.weights(record.round)
        assert record.backdoor.count == 329
        assert record.backdoor.hits == counted(weights, goal, None)
        assert record.backdoor.parts == [counted(weights, goal, part) for part in range(4)]
        assert record.backdoor.untriggered == counted(weights, goal, None, triggered=False)
    [folder] = (Path(str(tmp_path)) / "fedlens-cache" / "controls").glob("[!.]*/summary.json")
    twin = Control(folder.parent)
    last = done.records[-1]
    assert last.twin is not None
    assert last.twin.backdoor is not None
    assert last.twin.target is None
    assert last.twin.backdoor.hits == counted(twin.weights(2), goal, None)
    assert load_run(tmp_path / "run").records == done.records
    assert load_run(tmp_path / "run").target.goal == {
        "name": "backdoor", "target": 7, "source": None, "share": 0.3,
        "trigger": {"name": "distributed", "size": 3, "gap": 2, "place": [0, 0], "value": 1.0},
    }  # fmt: skip


@pytest.mark.parametrize("engine", ["processes", "vectorised"])
def test_other_engines_count_the_same(engine: str) -> None:
    serial, other = records(experiment()), records(experiment(), engine, workers=2)
    if engine == "processes":
        assert other == serial
    for ours, theirs in zip(serial, other, strict=True):
        assert ours.backdoor is not None
        assert theirs.backdoor is not None
        assert theirs.backdoor.hits == pytest.approx(ours.backdoor.hits, abs=3)
        assert theirs.twin is not None


def test_the_twin_is_asked_once_for_each_goal_and_is_shared_with_target_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = records(experiment())
    cache = tmp_path / "fedlens-cache" / "controls"
    assert len(list(cache.glob("*/backdoors/*.json"))) == 1
    monkeypatch.setattr("fedlens.simulation.backdoors._ask", lambda *_: pytest.fail("was asked already"))
    assert records(experiment()) == first
    share = experiment(goal=DBA | {"share": 0.6})
    assert [record.twin for record in records(share)] == [record.twin for record in first]
    monkeypatch.undo()
    monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / "fedlens-cache"))
    other = records(experiment(goal=DBA | {"target": 3}))
    assert [record.twin.backdoor for record in other if record.twin] != [r.twin.backdoor for r in first if r.twin]
    targets = records(experiment(goal=None))
    assert all(record.backdoor is None and record.goal_met is None for record in targets)
    assert len(list(cache.glob("[!.]*/summary.json"))) == 1


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = run(experiment(), tmp_path / "whole", engine="serial")

    class Stop(fedlens.Callback):
        def round(self, record: RoundRecord) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(experiment(), tmp_path / "cut", engine="serial", observer=Stop())
    run(experiment(), tmp_path / "cut", engine="serial", resume=True)
    lines = [(tmp_path / name / "rounds.jsonl").read_bytes() for name in ("whole", "cut")]
    assert lines[0] == lines[1]
    assert whole.summary is not None


class Shows(Attack):
    """Says how many pixels each row of its samples has that the trigger has set in all of them."""

    def craft(self, view: View) -> Tensor:
        images = view.auxiliary.x.reshape(-1, 8, 8)
        view.log.update({f"row {row}": int((images == 1).all(dim=0)[row].sum()) for row in range(8)})
        return view.train()


def test_every_attacker_of_a_team_stamps_a_part_of_its_own_and_one_alone_the_whole() -> None:
    trigger = Distributed(size=2, gap=1, value=1)
    whole = trigger.stamp(torch.zeros(1, 1, 8, 8))[0, 0]
    parts = [trigger.stamp(torch.zeros(1, 1, 8, 8), part)[0, 0] for part in range(4)]
    goal = {"name": "backdoor", "trigger": {"name": "distributed", "size": 2, "gap": 1}}
    plan = {"attack": Shows(boost=1), "goal": goal, "rounds": 1, "control": False, "clients": 6}
    [team] = records(experiment(**plan, attackers={"clients": [0, 2, 3, 5]}))
    [alone] = records(experiment(**plan))

    def stamped(client: ClientRecord) -> list[object]:
        assert client.attack is not None
        return [client.attack.log[f"row {row}"] for row in range(8)]

    assert [stamped(client) for client in team.attackers] == [part.sum(dim=1).tolist() for part in parts]
    assert [stamped(client) for client in alone.attackers] == [whole.sum(dim=1).tolist()]


def test_poisoning_plants_a_backdoor_and_keeps_the_accuracy() -> None:
    last = records(experiment(rounds=3))[-1]
    assert last.backdoor is not None
    assert last.twin is not None
    assert last.twin.backdoor is not None
    assert last.goal_met is True
    assert last.backdoor.rate > last.twin.backdoor.rate + 0.5
    assert last.quality.accuracy > last.twin.quality.accuracy - 0.1


def test_an_honest_attacker_plants_nothing() -> None:
    assert [record.goal_met for record in records(experiment(attack="honest"))] == [False, False]


def test_without_a_control_nothing_is_judged() -> None:
    [record] = records(experiment(control=False, rounds=1))
    assert record.backdoor is not None
    assert record.goal_met is None
    assert record.twin is None


def test_without_attack_the_backdoor_is_measured_all_the_same(tmp_path: Path) -> None:
    done = run(experiment(attack=None), tmp_path / "run", engine="serial")
    assert done.records[0].backdoor is not None
    assert done.records[0].goal_met is None
    attacked = records(experiment())
    assert [record.twin.backdoor for record in attacked if record.twin] == [each.backdoor for each in done.records]


def test_a_source_leaves_only_its_samples() -> None:
    [record] = records(experiment(goal=DBA | {"source": "3"}, rounds=1, control=False))
    assert record.backdoor is not None
    assert record.backdoor.count == int((Digits().load().test.y == 3).sum())


def test_a_member_without_samples_waits() -> None:
    uneven = {"partition": {"name": "dirichlet", "alpha": 0.01}, "clients": 12}
    setting = prepare(experiment(**uneven))
    without = next(
        client for client in range(12) if 3 not in setting.dataset.train.y[setting.shards.indices(client)].tolist()
    )
    attack, goal = {"name": "data-poisoning", "client": without}, {"name": "backdoor", "source": "3"}
    done = records(experiment(goal=goal, attack=attack, **uneven))
    waiting = [record.malicious.attack.reason for record in done if record.malicious and record.malicious.attack]
    assert waiting == ["no samples", "no samples"]


def test_damage_is_judged_by_accuracy(tmp_path: Path) -> None:
    done = run(experiment(goal="damage", attack="explicit-boosting"), tmp_path / "run", engine="serial")
    for record in done.records:
        assert record.twin is not None
        assert record.goal_met is (record.twin.quality.accuracy - record.quality.accuracy >= 0.1)
        assert record.backdoor is None
    assert done.summary is not None
    assert done.summary.goal is not None
    met = [bool(record.goal_met) for record in done.records]
    assert done.summary.goal.met is (met[-1] and 2 * sum(met) >= len(met))
    assert done.summary.goal.met_rounds == sum(met) > 0
    assert done.rounds["accuracy_drop"].iloc[-1] == pytest.approx(done.summary.goal.accuracy_drop)


def test_the_placebo_is_asked_as_well(tmp_path: Path) -> None:
    median = experiment(aggregation="median", attack={"name": "data-poisoning"}, clients=5)
    done = run(median, tmp_path / "run", engine="serial")
    assert all(each.placebo and each.placebo.backdoor and each.placebo.goal_met is False for each in done.records)


class Bright(Trigger):
    def stamp(self, x: Tensor, part: int | None = None) -> Tensor:
        x[:, :, :2] = 1
        return x


class Next(Goal):
    def inputs(self, x: Tensor, part: int | None = None) -> Tensor:
        x[:, :, :2] = 1
        return x

    def wanted(self, y: Tensor) -> Tensor:
        return (y + 1) % 10


class Beyond(Goal):
    def wanted(self, y: Tensor) -> Tensor:
        return y + 1


class Nobody(Goal):
    def wanted(self, y: Tensor) -> Tensor:
        return torch.full_like(y, -1)


def test_goals_and_triggers_of_ones_own() -> None:
    [record] = records(experiment(goal=Backdoor(trigger=Bright()), rounds=1))
    assert record.backdoor is not None
    assert record.backdoor.count == 329
    [record] = records(experiment(goal=Next(), rounds=1))
    assert record.backdoor is not None
    assert record.backdoor.count == 360
    assert record.goal_met is not None


@pytest.mark.parametrize(
    ("goal", "said"),
    [(Beyond(), "wanted.* returned classes outside 0 to 9"), (Nobody(), "wants nothing of any test sample")],
)
def test_a_goal_that_wants_what_there_is_not_is_refused(goal: Goal, said: str) -> None:
    with pytest.raises(fedlens.FedlensError, match=said):
        records(experiment(goal=goal))


def test_a_remote_worker_s_context_has_the_goal_and_room_for_its_answers() -> None:
    from fedlens.cluster.packed_context import pack, unpack
    from fedlens.simulation.engines.backdoor_job import BackdoorJob
    from fedlens.simulation.engines.context import SharedTensors, WorkerContext

    setting = prepare(experiment())
    network, dataset = setting.network(), setting.dataset
    size = len(network.vector)
    shared = SharedTensors(
        torch.stack([network.vector.detach()] * 2), torch.zeros(4, size), torch.zeros(2, 360, 10), torch.ones(5, 2, 360)
    )
    local, goal = setting.experiment.local, setting.goal
    context = WorkerContext(dataset, setting.shards, network, local, setting.root, shared, goal=goal)
    remote = unpack(pack(context))
    remote.shared.models[:] = shared.models
    job = BackdoorJob(round=1, variant=2, start=0, stop=360)
    for worker in (context, remote):
        job.run(worker)
    [here], [there] = job.fills(context.shared), job.fills(remote.shared)
    assert torch.equal(here, there)
    assert here.any()
    assert not remote.shared.answers[0].any()  # type: ignore[index]
