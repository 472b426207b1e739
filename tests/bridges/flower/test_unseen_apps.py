"""Apps in folders that the bridge was not written for, of either API, attacked with a target that is drawn here."""

import hashlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fedlens.bridges.flower import Asked, load_app, try_app
from fedlens.bridges.flower.apps import thing
from fedlens.bridges.flower.trying import USUAL

pytestmark = pytest.mark.acceptance

TASK = """
import torch
from sklearn.datasets import load_digits
from torch import nn

read = load_digits()
X, Y = torch.tensor(read.images / 16).float()[:, None], torch.tensor(read.target).long()


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 12, 3), nn.BatchNorm2d(12), nn.ReLU(), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(432, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, x):
        return self.head(self.body(x))


def fit(net, part, parts):
    x, y = X[part::parts], Y[part::parts]
    optimizer = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9)
    net.train()
    for _ in range(3):
        for batch in torch.randperm(len(x)).split(16):
            if len(batch) > 1:
                optimizer.zero_grad()
                nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
                optimizer.step()
    return len(x)
"""
MESSAGE = {
    "client": """
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from PACKAGE.task import Convolutions, fit

app = ClientApp()


@app.train()
def train(message, context):
    net = Convolutions()
    net.load_state_dict(message.content["arrays"].to_torch_state_dict())
    count = fit(net, context.node_config["partition-id"], context.node_config["num-partitions"])
    content = {"arrays": ArrayRecord(net.state_dict()), "metrics": MetricRecord({"num-examples": count})}
    return Message(RecordDict(content), reply_to=message)
""",
    "server": """
from flwr.app import ArrayRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg
from PACKAGE.task import Convolutions

app = ServerApp()


@app.main()
def main(grid, context):
    FedAvg(fraction_evaluate=0.0).start(grid, ArrayRecord(Convolutions().state_dict()), num_rounds=5)
""",
}
FORMER = {
    "client": """
import torch
from flwr.client import NumPyClient
from flwr.clientapp import ClientApp
from PACKAGE.task import Convolutions, fit


class Client(NumPyClient):
    def __init__(self, part, parts):
        self.part, self.parts, self.net = part, parts, Convolutions()

    def fit(self, parameters, config):
        names = self.net.state_dict().keys()
        self.net.load_state_dict({name: torch.tensor(array) for name, array in zip(names, parameters)})
        count = fit(self.net, self.part, self.parts)
        return [tensor.numpy() for tensor in self.net.state_dict().values()], count, {}


def client_fn(context):
    return Client(context.node_config["partition-id"], context.node_config["num-partitions"]).to_client()


app = ClientApp(client_fn=client_fn)
""",
    "server": """
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.serverapp import ServerApp
from PACKAGE.task import Convolutions


def components(context):
    start = ndarrays_to_parameters([tensor.numpy() for tensor in Convolutions().state_dict().values()])
    strategy = FedAvg(fraction_evaluate=0.0, initial_parameters=start)
    return ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=5))


app = ServerApp(server_fn=components)
""",
}
PROJECT = """
[project]
name = "PACKAGE"

[tool.flwr.app.components]
serverapp = "PACKAGE.server:app"
clientapp = "PACKAGE.client:app"
"""


@pytest.fixture(params=["message", "former"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The folder of an app, whose package is called after its API."""
    package = f"unseen_{request.param}"
    (tmp_path / package).mkdir()
    files = {"task": TASK, "__init__": "", **(MESSAGE if request.param == "message" else FORMER)}
    for name, text in files.items():
        (tmp_path / package / f"{name}.py").write_text(text.replace("PACKAGE", package))
    (tmp_path / "pyproject.toml").write_text(PROJECT.replace("PACKAGE", package))
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(path).encode() + path.read_bytes() for path in files)).hexdigest()


def test_four_of_five_federations_end_as_the_attacker_wants(folder: Path) -> None:
    """By the claim of samples. Boosting alone, from where training ended, now and then loses a round to the others."""
    before = digest(folder)
    app = load_app(str(folder))
    package = app.name
    x, y = thing(f"{package}.task:X", "test", app.folder), thing(f"{package}.task:Y", "test", app.folder)
    draws = random.SystemRandom()
    sample = draws.randrange(len(x))
    wanted = draws.choice([label for label in range(10) if label != int(y[sample])])
    asked = Asked(
        model=thing(f"{package}.task:Convolutions", "model", app.folder),
        targets=(x[sample : sample + 1], y[sample : sample + 1], torch.tensor([wanted])),
        seeds=range(5),
    )
    plans = {name: USUAL[name] for name in ("claim", "after-training")}
    trials = try_app(app, asked, plans, ["own"]).trials
    ends = {(trial.attack, trial.seed): trial.rounds[-1].confidence or 0 for trial in trials}
    met = {name: sum(ends[None, seed] < 0.1 and ends[name, seed] > 0.9 for seed in range(5)) for name in plans}
    print(sample, wanted, met, ends)
    assert met["claim"] >= 4, ends
    assert met["after-training"] >= 1, ends
    assert digest(folder) == before
