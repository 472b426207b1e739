"""A user's app put to the test from its folder: the app is not touched, and the numbers are those of its models."""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from apps import Net, app, former_app, former_server, samples, server
from flwr.app import Context
from flwr.serverapp.strategy import FedAvg, MultiKrum
from torch import Tensor, nn
from typer.testing import CliRunner

from fedlens.analysis.flower_strategies import of_strategy, public_name
from fedlens.bridges.flower import App, Asked, Measured, Plan, Trial, Tried, flags, load_app, measured, try_app
from fedlens.bridges.flower.compat import starting
from fedlens.bridges.flower.results import document, rows
from fedlens.cli.flower import flower
from fedlens.core.errors import ConfigError
from fedlens.core.importing import imported
from fedlens.goals import Backdoor, FeatureValues

TASK = """
import torch
from torch import nn

X = torch.eye(4).repeat(8, 1)
Y = torch.arange(4).repeat(8)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
"""
CLIENT = """
import torch
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from tiny.task import Net, X, Y

app = ClientApp()


@app.train()
def train(message, context):
    net = Net()
    net.load_state_dict(message.content["arrays"].to_torch_state_dict())
    optimizer = torch.optim.SGD(net.parameters(), context.run_config["rate"])
    for _ in range(context.run_config["local.steps"]):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(X + 0.1 * torch.randn_like(X)), Y).backward()
        optimizer.step()
    content = {"arrays": ArrayRecord(net.state_dict()), "metrics": MetricRecord({"num-examples": len(X)})}
    return Message(RecordDict(content), reply_to=message)
"""
SERVER = """
import torch
from flwr.app import ArrayRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg
from tiny.task import Net

app = ServerApp()


@app.main()
def main(grid, context):
    FedAvg(fraction_evaluate=0.0).start(grid, ArrayRecord(Net().state_dict()), num_rounds=9)
"""
PROJECT = """
[project]
name = "tiny"

[tool.flwr.app.components]
serverapp = "tiny.server_app:app"
clientapp = "tiny.client_app:app"

[tool.flwr.app.config]
rate = 0.5
local = {steps = 20}
"""
MINE = """
import torch
from tiny.task import X, Y


def targets():
    return X[:1], Y[:1], torch.tensor([2])


def test():
    return X, Y
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an app, from which a module beside it is imported, too."""
    package = tmp_path / "app" / "tiny"
    package.mkdir(parents=True)
    for name, text in {"task": TASK, "client_app": CLIENT, "server_app": SERVER, "__init__": ""}.items():
        (package / f"{name}.py").write_text(text)
    (tmp_path / "app" / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    yield tmp_path / "app"
    sys.path[:] = path
    for name in [name for name in sys.modules if name == "mine" or name.partition(".")[0] == "tiny"]:
        del sys.modules[name]


def digest(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def called(*words: str) -> Any:
    return CliRunner().invoke(flower, ["test", *words], catch_exceptions=False)


def test_the_command_attacks_the_app_and_does_not_touch_it(folder: Path) -> None:
    before = digest(folder)
    options = ["--model", "tiny.task:Net", "--targets", "mine:targets", "--test", "mine:test", "--rounds", "3"]
    few = ["--seeds", "1", "--nodes", "6", "--attack", "after-training", "--attack", "claim"]
    done = called("app", *options, *few, "--defence", "own", "--defence", "median", "--json")
    assert done.exit_code == 0
    assert digest(folder) == before
    found = json.loads(done.stdout)
    assert json.loads(Path("flower-tests/tiny/result.json").read_text()) == found
    by_name = {(trial["defence"], trial["attack"]): trial for trial in found["trials"]}
    assert all(len(trial["rounds"]) == 3 for trial in by_name.values())  # and not the nine that the app says
    control, attacked, claim = (by_name["own", name] for name in (None, "after-training", "claim"))
    assert control["rounds"][-1]["confidence"] < 0.1
    assert attacked["rounds"][-1]["confidence"] > 0.8
    assert control["rounds"][-1]["accuracy"] == 1
    assert (control["success"], attacked["success"], claim["success"]) == (False, True, True)
    assert claim["acts"][0]["claimed"] == 32e6
    assert by_name["median", "claim"]["success"] is False
    assert [row["successes [95 %]"][:3] for row in found["table"]][:2] == ["0/1", "1/1"]
    [claims] = [flag for flag in found["flags"] if flag.startswith("Flower's FedAvg believes any claimed number")]
    assert claims.endswith("`Screened(..., cap=2.0)` limits claims.")


def test_the_command_prints_a_table_and_red_flags(folder: Path) -> None:
    assert folder.is_dir()
    options = ["--model", "tiny.task:Net", "--targets", "mine:targets", "--rounds", "1", "--seeds", "1"]
    done = called("app", *options, "--nodes", "3", "--defence", "own", "--defence", "krum", "--attack", "claim")
    assert "tiny, whose strategy is FedAvg: 1 of 3 nodes attack; 2 federations were played" in done.stdout
    assert "Red flag: krum was not tried: krum against 1 attackers needs 5 nodes." in done.stdout
    assert "Red flag: No test samples" in done.stdout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["nowhere", "--model", "tiny.task:Net"], "app: there is no folder 'nowhere'"),
        (["app", "--model", "tiny.task:Nett"], r"model: tiny.task:Nett cannot be imported: AttributeError"),
        (["app", "--model", "Net"], "model: 'Net' is no module:name; e.g. my_app.task:Net"),
        (["app", "--model", "tiny.task:Net"], "targets: nothing is wanted; e.g. --targets mine:targets"),
        (["app", "--model", "tiny.task:Net", "--config", "steps=1"], "config: the app has no 'steps'.*has rate, local"),
        (["app", "--model", "tiny.task:Net", "--config", "steps"], "--config 'steps': NAME=VALUE is right"),
        (
            ["app", "--model", "tiny.task:Net", "--targets", "mine:targets", "--nodes", "2", "--attackers", "2"],
            "attackers: 2 of 2 nodes; at least one, but not all",
        ),
        (
            ["app", "--model", "tiny.task:Net", "--targets", "mine:targets", "--defence", "krumm"],
            "defences: there is no 'krumm'; there are own, screened, krum",
        ),
    ],
)
def test_what_is_wrong_is_said(folder: Path, words: list[str], reason: str) -> None:
    assert folder.is_dir()
    with pytest.raises(ConfigError, match=reason):
        called(*words)


def test_a_folder_without_components_is_refused(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[project]\nname='x'\n")
    with pytest.raises(ConfigError, match="does not name the serverapp; add it"):
        load_app(str(folder))
    (folder / "pyproject.toml").write_text("[")
    with pytest.raises(ConfigError, match="is no TOML"):
        load_app(str(folder))
    (folder / "pyproject.toml").unlink()
    with pytest.raises(ConfigError, match=r"has no pyproject\.toml"):
        load_app(str(folder))


def test_an_app_may_be_given_by_names() -> None:
    found = load_app("apps:server", "apps:app", {"rate": 1})
    assert (found.server, found.client, found.run_config) == (server, app, {"rate": 1})


X, Y = samples(0, 1)
TARGETS = (X[4:5], Y[4:5], torch.tensor([8]))


def data(context: Context) -> tuple[Tensor, Tensor]:
    return samples(int(context.node_config["partition-id"]), int(context.node_config["num-partitions"]))


def asked(**options: Any) -> Asked:
    given = {"model": Net, "targets": TARGETS, "test": (X, Y), "nodes": 10, "rounds": 2, "seeds": (0,)}
    return Asked(**given | options)


def highest(tried: Tried, defence: str, attack: str | None) -> float:
    [trial] = [one for one in tried.trials if (one.defence, one.attack) == (defence, attack)]
    return max(one.confidence or 0 for one in trial.rounds)


def test_a_claim_breaks_multi_krum_and_a_cap_stops_it() -> None:
    """Unboosted, so that it passes the selection; capped, it has 2 of 11 parts of the mean, and not all of it."""
    strategy = MultiKrum(num_malicious_nodes=1, num_nodes_to_select=9, fraction_evaluate=0.0)
    mine = App("mine", server(strategy), app)
    plans = {
        "claim": Plan({"name": "explicit-boosting", "threshold": 0.05, "check_every": 1, "boost": 1}, 1e6, "trained")
    }
    tried = try_app(mine, asked(), plans, ["own", "screened"])
    assert highest(tried, "own", None) < 0.1
    assert highest(tried, "own", "claim") > 0.9
    assert highest(tried, "screened", "claim") < 0.2


def test_a_former_app_is_screened_and_takes_no_rule() -> None:
    mine = App("mine", former_server(), former_app)
    tried = try_app(mine, asked(nodes=6, rounds=1), {"claim": Plan("explicit-boosting", 100.0)}, ["screened", "median"])
    assert [(trial.defence, trial.attack, len(trial.rounds)) for trial in tried.trials] == [
        ("screened", None, 1),
        ("screened", "claim", 1),
    ]
    assert "is a strategy of the Message API" in tried.left_out["median"]


def test_a_backdoor_is_measured_on_triggered_test_samples() -> None:
    goal = Backdoor(trigger=FeatureValues(columns={0: 1.0}), target=3)
    plan = {"badnets": Plan("badnets", claim=1e6)}
    tried = try_app(App("mine", server(), app), asked(targets=None, goal=goal, data=data, nodes=4), plan, ["own"])
    control, attacked = (trial.rounds[-1].backdoor for trial in tried.trials)
    assert control is not None
    assert attacked is not None
    assert control.count == int((Y != 3).sum())
    assert control.rate < 0.1


def test_models_are_measured_by_hand() -> None:
    """Of logits 2x and 0, the class of -1 is 1; sigmoid(2) is 0.881; the trigger, -1, is 1 in both of class 0."""
    weights = {"weight": np.array([[2.0], [0.0]], np.float32)}
    test = (torch.tensor([[1.0], [2.0], [-1.0], [1.0]]), torch.tensor([0, 0, 1, 1]))
    targets = (torch.tensor([[1.0], [-1.0]]), torch.tensor([1, 0]), torch.tensor([0, 0]))
    goal = Backdoor(trigger=FeatureValues(columns={0: -1.0}), target=1)

    def make() -> nn.Module:
        return nn.Linear(1, 2, bias=False)

    first, second = measured([weights, {"weight": -weights["weight"]}], make, targets=targets, goal=goal, test=test)
    assert (first.round, second.round) == (1, 2)
    assert (first.accuracy, second.accuracy) == (0.75, 0.25)
    assert first.targets is not None
    assert first.targets.confidence == pytest.approx([0.8808, 0.1192], abs=1e-4)
    assert (first.targets.met, first.targets.success) == (1, False)
    assert first.backdoor is not None
    assert (first.backdoor.hits, first.backdoor.count, first.backdoor.untriggered) == (2, 2, 0)
    with pytest.raises(ConfigError, match="test: a goal is measured on test samples"):
        measured([weights], make, goal=goal)


def failing(*_: Any) -> Any:
    raise ValueError("no idea")


def test_an_app_that_fails_by_itself_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"without any attack, it ends with an error: .*no idea"):
        try_app(App("mine", server(), failing), asked(nodes=2), {}, ["own"])


class Alone(FedAvg):
    """A strategy with a loop of its own, which no other can take the place of."""

    def start(self, *_: Any, **__: Any) -> Any:
        """Do nothing."""


def test_doubts() -> None:
    tried = try_app(App("mine", server(Alone()), app), asked(nodes=2), {}, ["own"])
    assert any(flag.startswith("No strategy of Flower's has begun") for flag in flags(tried))
    trials = [Trial("own", None, 0), Trial("own", "claim", 0, fault="ValueError: odd")]
    found = list(flags(Tried("mine", asked(), trials, {"am": "no data"})))
    assert "claim ended the app with own (seed 0): ValueError: odd." in found
    assert "claim never attacked: nodes were not chosen, or it waited." in found
    assert "am was not tried: no data." in found
    assert rows(Tried("mine", asked(), trials))[0] == ["own", "none", "–", "–", "–", "–"]
    assert document(Tried("mine", asked(), trials))["seeds"] == [0]


def test_a_price_in_accuracy_is_told_of_seeds_that_succeed() -> None:
    def ended(attack: str | None, seed: int, accuracy: float, *, success: bool) -> Trial:
        return Trial("own", attack, seed, rounds=(Measured(3, accuracy=accuracy),), success=success)

    trials = [ended(None, seed, 0.9, success=False) for seed in (0, 1, 2)]
    attacked = [ended("claim", 0, 0.7, success=True), ended("claim", 1, 0.5, success=True)]
    other = [ended("claim", 2, 0.1, success=False), ended("badnets", 0, 0.85, success=True)]
    found = [flag for flag in flags(Tried("mine", asked(), [*trials, *attacked, *other])) if "points" in flag]
    assert found == ["claim costs 30 points of accuracy with own where it succeeds, which nobody would overlook."]


@pytest.mark.parametrize("name", ["flwr.serverapp.strategy:Krum", "flwr.server.strategy:Bulyan"])
def test_what_is_known_of_a_strategy_is_said_once(name: str) -> None:
    trial = Trial("own", None, 0, strategy=public_name(imported(name)))
    found = [flag for flag in flags(Tried("mine", asked(), [trial])) if flag.startswith("Flower's ")]
    assert len(found) == len(list(of_strategy(name))) > 0
    assert all(deviation.words in flag for deviation, flag in zip(of_strategy(name), found, strict=True))


def test_nothing_is_known_of_a_users_strategy_that_is_called_alike() -> None:
    mine = type("Krum", (FedAvg,), {"__module__": "mine"})
    trial = Trial("own", None, 0, strategy=public_name(mine))
    assert not any("Krum" in flag for flag in flags(Tried("mine", asked(), [trial])))


def test_a_start_is_as_it_was_afterwards() -> None:
    from flwr.serverapp.strategy import Strategy

    before = Strategy.start
    with starting(rounds=2):
        assert Strategy.start is not before
    assert Strategy.start is before
