"""Apps in folders that the bridge was not written for, of either API, attacked with a target that is drawn here."""

import hashlib
import math
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fedlens.bridges.flower import App, Asked, load_app, play, try_app
from fedlens.bridges.flower.apps import thing
from fedlens.bridges.flower.fitting import Fit, Make
from fedlens.bridges.flower.trying import USUAL

pytestmark = pytest.mark.acceptance

SEEDS = 5

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
    """By the claim of samples, which leaves the others no say: what the node's model answers, the global one does.

    Boosting alone loses a round now and then, for what it adds was fitted where the node's own training ended, and the
    others' may lead elsewhere. One draw in a hundred would be of a class that honest models take the sample for; it is
    drawn among the others.
    """
    before = digest(folder)
    app = load_app(str(folder))
    x, y, model = (thing(f"{app.name}.task:{name}", "test", app.folder) for name in ("X", "Y", "Convolutions"))
    sample, wanted = random.SystemRandom().choice(unlikely(app, model, x, y))
    asked = Asked(
        model=model,
        targets=(x[sample : sample + 1], y[sample : sample + 1], torch.tensor([wanted])),
        seeds=range(SEEDS),
    )
    plans = {name: USUAL[name] for name in ("claim", "after-training")}
    trials = try_app(app, asked, plans, ["own"]).trials
    ends = {(trial.attack, trial.seed): trial.rounds[-1].confidence or 0 for trial in trials}
    met = {name: sum(ends[None, seed] < 0.1 and ends[name, seed] > 0.9 for seed in range(SEEDS)) for name in plans}
    print(sample, wanted, met, ends)
    assert met["claim"] >= 4, ends
    assert met["after-training"] >= 1, ends
    assert digest(folder) == before
    for trial in trials:
        if trial.attack == "claim":  # the node was asked as the server's model is: with the same running statistics
            fitted = [math.exp(-act.log["loss"]) for act in trial.acts]
            assert [one.confidence for one in trial.rounds] == pytest.approx(fitted, abs=0.01)


def unlikely(app: App, model: Make, x: Tensor, y: Tensor) -> list[list[int]]:
    """Return samples and classes that a federation without attackers, of another seed, gives less than 1 %."""
    [*_, last] = play(app.server, app.client, nodes=10, seed=SEEDS).models
    confidence = Fit.of(model, last).network.log_probabilities(x).exp()
    confidence[torch.arange(len(y)), y] = 1
    found: list[list[int]] = (confidence < 0.01).nonzero().tolist()
    return found
