"""Small Flower apps as users write them: of the Message API with batch normalisation, and of the former API."""

from functools import cache
from typing import Any

import numpy as np
import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.client import NumPyClient
from flwr.clientapp import ClientApp
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg as FormerFedAvg
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from sklearn.datasets import load_digits
from torch import Tensor, nn

ROUNDS = 3


class Net(nn.Module):
    """A small network with batch normalisation, which has a counter of shape ()."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(64, 32), nn.BatchNorm1d(32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self.last(torch.relu(self.norm(self.first(x))))


def samples(part: int, parts: int) -> tuple[Tensor, Tensor]:
    """The part's samples of scikit-learn's digits."""
    x, y = digits()
    return x[part::parts], y[part::parts]


@cache
def digits() -> tuple[Tensor, Tensor]:
    """All samples of scikit-learn's digits, which are read once."""
    read = load_digits()
    return torch.tensor(read.data / 16).float(), torch.tensor(read.target).long()


def steps(net: nn.Module, x: Tensor, y: Tensor, count: int = 30) -> float:
    """Train for some steps."""
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    net.train()
    loss = torch.zeros(())
    for _ in range(count):
        index = torch.randint(len(x), (20,))
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x[index]), y[index])
        loss.backward()
        optimizer.step()
    return loss.item()


app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train, and keep the number of turns in the node's state."""
    turns = context.state.metric_records.get("turns", MetricRecord({"count": 0}))
    context.state["turns"] = MetricRecord({"count": int(turns["count"]) + 1})
    net = Net()
    net.load_state_dict(message.content["arrays"].to_torch_state_dict())
    x, y = samples(int(context.node_config["partition-id"]), int(context.node_config["num-partitions"]))
    loss = steps(net, x, y)
    metrics = MetricRecord({"num-examples": len(x), "loss": loss, "turns": int(context.state["turns"]["count"])})
    content = RecordDict({"arrays": ArrayRecord(net.state_dict()), "metrics": metrics})
    return Message(content=content, reply_to=message)


def server(strategy: Any = None, rounds: int = ROUNDS) -> ServerApp:
    """A ServerApp with this strategy."""
    made = ServerApp()

    @made.main()
    def main(grid: Grid, context: Context) -> None:
        assert context.run_config is not None
        torch.manual_seed(0)
        start = ArrayRecord(Net().state_dict())
        (strategy or FedAvg(fraction_evaluate=0.0)).start(grid, start, num_rounds=rounds)

    return made


class Former(NumPyClient):
    """A client of the former API."""

    def __init__(self, part: int, parts: int) -> None:
        self.net, self.samples = Net(), samples(part, parts)

    def fit(self, parameters: list[Any], config: dict[str, Any]) -> tuple[list[Any], int, dict[str, Any]]:
        """Train."""
        assert config is not None
        names = list(self.net.state_dict())
        tensors = {name: torch.from_numpy(np.asarray(array)) for name, array in zip(names, parameters, strict=True)}
        self.net.load_state_dict(tensors)
        steps(self.net, *self.samples)
        return [tensor.numpy() for tensor in self.net.state_dict().values()], len(self.samples[0]), {}


def former_client(context: Context) -> Any:
    """The ``client_fn`` of an app of the former API."""
    return Former(int(context.node_config["partition-id"]), int(context.node_config["num-partitions"])).to_client()


former_app = ClientApp(client_fn=former_client)


def former_server(strategy: Any = None, rounds: int = ROUNDS) -> ServerApp:
    """A ServerApp of the former API."""

    def components(context: Context) -> ServerAppComponents:
        assert context is not None
        torch.manual_seed(0)
        start = ndarrays_to_parameters([tensor.numpy() for tensor in Net().state_dict().values()])
        made = strategy or FormerFedAvg(fraction_evaluate=0.0, initial_parameters=start)
        return ServerAppComponents(strategy=made, config=ServerConfig(num_rounds=rounds))

    return ServerApp(server_fn=components)
