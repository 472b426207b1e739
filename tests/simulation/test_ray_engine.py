"""Runs on a real Ray cluster of this machine, a node of which is killed at the end."""

import os
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from helpers.doomed import doomed_node
from helpers.killed import require_same_files, run_until
from helpers.records import attack_of
from helpers.teams import PERSISTENT, STATEFUL, Persists
from small import Convolutions, small
from torch import Tensor, nn

from fedlens.attacks.attack import Attack, View
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.cluster.connection import connected
from fedlens.cluster.packed_context import pack, unpack
from fedlens.cluster.ray_engine import RayEngine
from fedlens.core.errors import ClientError, ConfigError
from fedlens.core.remote import Cluster
from fedlens.core.users_modules import modules_of
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.models.model import Model
from fedlens.runs.round_result import RoundResult
from fedlens.runs.state import FederationState
from fedlens.simulation.engines import Engine, choose_engine
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.rounds import federate
from fedlens.simulation.simulation import run, simulate

pytest.importorskip("ray", reason="needs fedlens[ray]")
pytestmark = pytest.mark.xdist_group("ray")


class Omniscient(Attack):
    """Sends what the others sent on average."""

    omniscient: ClassVar[bool] = True

    def craft(self, view: View) -> Tensor:
        assert view.others is not None
        return view.others.mean(dim=0)


class Expects(Attack):
    """Tries the rule on what it has trained and four updates of its own making, and adds the step that it expects."""

    needs_rule = True
    remembers = 1

    def craft(self, view: View) -> Tensor:
        assert view.server is not None
        update = view.train()
        step = view.server.step(torch.stack([*-torch.eye(4, len(update)), update]))
        view.log.update(expected=float(step.norm()), remembered=len(view.history))
        return update + step


class Tells(Attack):
    """Tells where it is done, and with how many threads."""

    def craft(self, view: View) -> Tensor:
        view.log.update(process=os.getpid(), threads=torch.get_num_threads())
        return view.train()


class Breaks(Attack):
    """Fails in the second round."""

    how: str

    def craft(self, view: View) -> Tensor:
        if view.round == 2:
            if self.how == "die":
                os.kill(os.getpid(), 9)
            raise ZeroDivisionError("by nought")
        return view.train()


class Waits(nn.Module):
    """Passes its input on, except on the node that is to be killed: there it leaves a mark and waits for that."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def forward(self, x: Tensor) -> Tensor:
        import ray

        doomed = self.folder / "doomed"
        if self.training and ray.is_initialized() and doomed.exists():
            here = ray.get_runtime_context().get_node_id()
            if here == doomed.read_text():
                (self.folder / "reached").touch()
                threading.Event().wait()
        return x


class Waiting(Model):
    """A layer behind one that waits."""

    folder: Path

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(Waits(self.folder), nn.Flatten(), nn.Linear(64, classes))


@dataclass(frozen=True)
class Site:
    """A cluster, its address, and what adds and removes nodes."""

    cluster: Cluster
    address: str
    machines: Any

    def engine(self, **changes: Any) -> Engine:
        return RayEngine(self.cluster, **changes)


@pytest.fixture(scope="module")
def site(machines: Any) -> Iterator[Site]:
    with connected(machines.address, modules=modules_of([Omniscient(), Convolutions(), Persists()])) as cluster:
        yield Site(cluster, machines.address, machines)


def play(experiment: Experiment, engine: Engine) -> list[RoundResult]:
    with engine:
        return list(federate(prepare(experiment).with_target(None), engine))


def require_same(expected: list[RoundResult], found: list[RoundResult]) -> None:
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(one.state.weights, other.state.weights)
        assert torch.equal(one.log_probabilities, other.log_probabilities)
        assert asdict(one.record) == asdict(other.record)
        torch.testing.assert_close(handed_on(one.state), handed_on(other.state), rtol=0, atol=0)


def handed_on(state: FederationState) -> dict[str, Tensor]:
    """All that a round hands to the next beside the weights, by what it is."""
    found = {f"team {word}": tensor for word, tensor in state.team.items()}
    for name, stage in state.stages.items():
        for owner, tensors in [("", stage.tensors), *stage.clients.items()]:
            found |= {f"{name} {owner} {word}": tensor for word, tensor in tensors.items()}
    for client, pasts in state.history.items():
        found |= {f"history {client} {past.round}": past.update for past in pasts}
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {"model": Convolutions(), "fraction": 0.75, "attack": ExplicitBoosting(step_cap=105, estimate="post")},
        {"model": "census-mlp", "checks": ["accuracy", "distances", "statistics"], "validation": 200},
        {"model": "census-mlp", "attack": Omniscient(boost=1), "aggregation": "median"},
        {"model": "census-mlp", "attack": "data-poisoning", "attackers": {"count": 2}},
        {"model": "census-mlp", "attack": {"name": "inner-product-manipulation", "eps": 2}, "attackers": {"count": 2}},
        {**STATEFUL, "attack": Expects(boost=1), "rounds": 3},
        {**STATEFUL, "attack": PERSISTENT.attack, "rounds": 3},
    ],
    ids=[
        "part of the clients, with estimates", "checks", "omniscient", "team", "team that colludes",
        "state by client, and workers that try the rule", "state by client, and a team that tries the rule",
    ],
)  # fmt: skip
def test_a_cluster_gives_the_bits_of_serial(site: Site, changes: dict[str, object]) -> None:
    experiment = small(**changes)
    found = play(experiment, site.engine())
    assert len(found) == 3
    assert any(result.record.malicious for result in found)
    require_same(play(experiment, Serial()), found)


def test_a_killed_run_of_a_team_against_a_chain_with_memory_goes_on_with_the_bits_of_serial(
    site: Site, tmp_path: Path
) -> None:
    whole = run(PERSISTENT, tmp_path / "whole", engine="serial")
    run_until(28, "helpers.teams:PERSISTENT", tmp_path / "killed", "ray", site.address)
    assert 1 <= len((tmp_path / "killed" / "rounds.jsonl").read_text().splitlines()) < len(whole.records)
    run(PERSISTENT, tmp_path / "killed", resume=True, engine="ray", address=site.address)
    require_same_files(tmp_path / "killed", whole.path)


def test_clients_train_in_other_processes_with_one_thread(site: Site) -> None:
    [result] = play(small(attack=Tells(), rounds=1), site.engine())
    assert attack_of(result.record) is not None
    assert attack_of(result.record)["process"] != os.getpid()
    assert attack_of(result.record)["threads"] == 1


def test_a_failing_client_is_named_and_its_trace_comes_along(site: Site) -> None:
    told: list[tuple[int, int]] = []
    with site.engine() as engine:
        where = prepare(small(attack=Breaks(how="raise"))).with_target(None)
        rounds = federate(where, engine, progress=lambda done, total: told.append((done, total)))
        assert next(rounds).record.round == 1
        assert told == [(done, 4) for done in range(5)]
        with pytest.raises(ClientError) as caught:
            next(rounds)
    said, _, place = str(caught.value).partition(" (")
    assert said == "malicious client 3 in round 2 failed: ZeroDivisionError: by nought"
    assert re.fullmatch(r"\S+/test_ray_engine\.py:\d+\)", place)
    [trace] = caught.value.__notes__
    assert "in craft" in trace
    assert "ray.exceptions" not in trace


def test_a_node_of_another_kind_that_joins_later_does_no_job(site: Site) -> None:
    engine = RayEngine(replace(site.cluster, kind={"cpu": "abacus"}))
    with pytest.raises(ClientError, match="another kind has joined the cluster"):
        play(small(rounds=1), engine)


def test_what_is_sent_is_the_context_and_little_more() -> None:
    class Watched(Serial):
        def start(self, context: Any) -> None:
            super().start(context)
            self.context = context

    engine = Watched()
    [result] = play(small(rounds=1, attack=None, model="census-mlp"), engine)
    context, packed = engine.context, pack(engine.context)
    size = len(result.state.weights)
    assert len(pickle.dumps(packed.module)) < 4 * size + 20_000  # each parameter is a view of all weights
    unpacked = unpack(packed)
    assert torch.equal(unpacked.network.vector, context.network.vector)
    assert torch.equal(unpacked.shard(2).x, context.shard(2).x)
    assert unpacked.dataset.train.x.data_ptr() == context.dataset.train.x.data_ptr()
    assert unpacked.dataset.test.x.data_ptr() != context.dataset.test.x.data_ptr()
    assert torch.equal(unpacked.dataset.test.x, context.dataset.test.x)
    assert unpacked.shared.updates.shape == context.shared.updates.shape
    assert unpacked.shared.updates.untyped_storage().nbytes() == 4 * size


OWN = """
import sys
import torch
from fedlens import Experiment, simulate
from theirs import Push

experiment = Experiment(data="digits", clients=4, rounds=2, attack=Push(), control=False, target={"select": "random"})
near = list(simulate(experiment, engine="serial"))
far = list(simulate(experiment, engine="ray", address=sys.argv[1]))
assert all(torch.equal(one.state.weights, other.state.weights) for one, other in zip(near, far, strict=True))
print("the same", len(far))
"""
THEIRS = """
from fedlens import Attack
from helper import twice

class Push(Attack):
    def craft(self, view):
        return twice(view.train())
"""


def test_the_users_own_modules_go_along(site: Site, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "theirs.py").write_text(THEIRS)
    (tmp_path / "own" / "helper.py").write_text("def twice(update):\n    return 2 * update\n")
    (tmp_path / "script.py").write_text(OWN)
    # The folder is on the path of this process, but neither where it runs nor where the script lies, which Ray knows.
    path = os.pathsep.join([str(tmp_path / "own"), *sys.path])
    command = [sys.executable, "-W", "error", "script.py", site.address]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "the same 2\n", done.stdout + done.stderr


def test_a_mix_of_processors_is_refused_unless_allowed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {"this process": {"torch": "2", "cpu": "new"}, "far": {"torch": "2", "cpu": "old"}}
    monkeypatch.setattr("fedlens.cluster.connection.kinds_of_nodes", lambda: kinds)
    with pytest.raises(ConfigError, match=r"new on this process; old on far.*--mixed-cpus"):
        next(simulate(small(), engine="ray"))
    with connected(mixed=True) as cluster:
        assert cluster.kind is None


def test_on_a_mix_of_processors_results_are_not_taken_for_those_of_serial(site: Site) -> None:
    where = prepare(small())
    same, mixed = (choose_engine("ray", None, where, replace(site.cluster, kind=kind)) for kind in ({"cpu": "a"}, None))
    assert same.arithmetic == choose_engine("serial", None, where).arithmetic
    assert mixed.arithmetic != same.arithmetic


def test_another_device_is_refused(site: Site) -> None:
    with pytest.raises(ConfigError, match="CPU only"):
        choose_engine("ray", None, replace(prepare(small()), device=torch.device("meta")), site.cluster)


def test_a_job_that_always_takes_its_worker_along_ends(site: Site) -> None:
    with pytest.raises(ClientError, match="malicious client 3 in round 2 could not be done by Ray: WorkerCrashedError"):
        play(small(attack=Breaks(how="die"), rounds=2), site.engine(retries=1))


def test_the_work_of_a_node_that_is_killed_is_done_again(site: Site, tmp_path: Path) -> None:
    experiment = small(model=Waiting(folder=tmp_path))
    with doomed_node(site.machines, tmp_path) as reached:
        found = play(experiment, site.engine())
        assert reached.exists()  # so a client was being trained there
    require_same(play(experiment, Serial()), found)
