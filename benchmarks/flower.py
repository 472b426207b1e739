"""Federated averaging by Flower's simulation (https://flower.ai), as its user would write it, on Ray with 2 CPUs.

One CPU for a client makes two actors of one thread each. An actor loads the data once and keeps the network; it trains
as the bare loop does, in PyTorch's default layout. The server averages by Flower's own `FedAvg` and evaluates the test
set after every round in its own process. Clients do not evaluate.

Flower plays all its rounds in one call, whose last act in every round is to evaluate. That is where it can be held.
"""

import logging
import random
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from task import Task, accuracy, choose_threads, train

CPUS = 2

After = Callable[[int, float | None], None]
"""Called with the number of rounds played and the test accuracy; at first with 0 and ``None``, before any round."""


@cache
def place(path: str) -> Task:
    """The task in this file, which an actor reads once."""
    torch.set_num_threads(1)
    return Task.load(Path(path))


def train_client(message: Any, context: Any) -> Any:
    """A client's round, in an actor: from the server's message to the answer."""
    task = place(message.content["config"]["task"])
    x, y = task.shards[context.node_config["partition-id"]]
    task.model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    train(task, x, y)
    metrics = MetricRecord({"num-examples": len(y)})
    content = RecordDict({"arrays": ArrayRecord(task.model.state_dict()), "metrics": metrics})
    return Message(content=content, reply_to=message)


def simulate(task: Task, path: Path, after: After) -> None:
    """Play all rounds of `task`, which is in the file `path`, and shut Ray down.

    Raises:
        RuntimeError: a client failed.
    """
    logging.getLogger("flwr").setLevel(logging.ERROR)
    choose_threads(task)
    random.seed(0)
    client, server = ClientApp(), ServerApp()
    client.train()(train_client)
    server.main()(lambda grid, _: serve(task, path, grid, after))
    with TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        resources = {"num_cpus": 1, "num_gpus": 0.0}
        start = {"num_cpus": CPUS, "include_dashboard": False, "log_to_driver": False, "_temp_dir": folder}
        config = {"client_resources": resources, "init_args": start}
        run_simulation(server, client, num_supernodes=len(task.shards), backend_config=config)


def serve(task: Task, path: Path, grid: Any, after: After) -> None:
    """The server's life."""

    def evaluate(round_: int, arrays: Any) -> None:
        if round_ == 0:
            after(0, None)
            return
        task.model.load_state_dict(arrays.to_torch_state_dict())
        after(round_, accuracy(task.model, task.test))

    def check(replies: Sequence[Any], _: str) -> Any:
        if len(replies) != task.cohort_size:
            raise RuntimeError(f"{len(replies)} of {task.cohort_size} clients answered")
        return MetricRecord()

    strategy = FedAvg(
        fraction_train=task.cohort_size / len(task.shards),
        fraction_evaluate=0.0,
        min_train_nodes=task.cohort_size,
        min_available_nodes=len(task.shards),
        train_metrics_aggr_fn=check,
    )
    strategy.start(
        grid,
        ArrayRecord(task.model.state_dict()),
        num_rounds=task.rounds,
        train_config=ConfigRecord({"task": str(path)}),
        evaluate_fn=evaluate,
    )
