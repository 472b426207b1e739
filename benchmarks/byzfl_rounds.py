"""Plays rounds of ByzFL's federated averaging one at a time: see `stepping`.

The loop is that of its own ``benchmark/train.py`` for ``FedAvg`` without attackers, of its `Client`, `Server` and
`Average` and its kind of data loaders, in one process, as there. A client takes as many gradient steps in a round as
fedlens' does. Three things differ from fedlens, and none saves work worth mention: clients keep Adam's moments from
round to round, every client gets the new model whether it is chosen or not, and the mean is not weighted (our shards
are of equal size, or differ by one sample).
"""

import sys
from copy import deepcopy
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from elsewhere import byzfl_training
from stepwise import answers
from task import Pairs, Task, choose_threads
from torch import Tensor
from torch.utils.data import DataLoader, Subset, TensorDataset

NETWORK = "TaskNetwork"


def main() -> None:
    """Play as many rounds as are asked for."""
    asked, answer = answers()
    task, generator = Task.load(Path(sys.argv[1])), np.random.default_rng(0)
    choose_threads(task)
    torch.manual_seed(0)
    clients, server = make_clients(task), make_server(task)
    for client in clients:
        client.set_model_state(server.get_dict_parameters())
    while asked():
        play(task, clients, server, generator)
        answer(server.compute_test_accuracy())


def play(task: Task, clients: list[Any], server: Any, generator: np.random.Generator) -> None:
    """A round."""
    weights = []
    for index in generator.choice(len(clients), size=task.cohort_size, replace=False):
        steps = task.epochs * ceil(len(task.shards[index][1]) / task.batch_size)
        clients[index].compute_model_update(steps)
        weights.append(clients[index].get_flat_parameters())
    server.update_model_with_weights(weights)
    for client in clients:
        client.set_model_state(server.get_dict_parameters())


def common(task: Task) -> dict[str, Any]:
    """What clients and the server are told; ByzFL finds a network by its name in a module of its own."""
    models = byzfl_training().model_base_interface.models
    setattr(models, NETWORK, lambda: deepcopy(task.model))
    return {
        "model_name": NETWORK,
        "device": "cpu",
        "optimizer_name": "Adam",
        "optimizer_params": {"fused": True},
        "learning_rate": task.learning_rate,
        "weight_decay": 0.0,
        "milestones": [],
        "learning_rate_decay": 1.0,
    }


def make_clients(task: Task) -> list[Any]:
    """A client for each shard."""
    known = common(task) | {
        "loss_name": "CrossEntropyLoss",
        "LabelFlipping": False,
        "nb_labels": task.classes,
        "momentum": 0.0,
        "store_per_client_metrics": False,
    }
    data = joined(task.shards)
    stops = np.cumsum([len(y) for _, y in task.shards])
    parts = [Subset(data, range(stop - len(y), stop)) for stop, (_, y) in zip(stops, task.shards, strict=True)]
    loaders = [DataLoader(part, batch_size=task.batch_size, shuffle=True) for part in parts]
    return [byzfl_training().Client(known | {"training_dataloader": loader}) for loader in loaders]


def make_server(task: Task) -> Any:
    """The server, which averages."""
    loader = DataLoader(joined(task.test), batch_size=len(task.test[0][1]))
    known = {"test_loader": loader, "aggregator_info": {"name": "Average", "parameters": {}}, "pre_agg_list": []}
    return byzfl_training().Server(common(task) | known)


def joined(pairs: Pairs) -> TensorDataset:
    """All samples as one data set."""
    x: Tensor = torch.cat([x for x, _ in pairs])
    return TensorDataset(x, torch.cat([y for _, y in pairs]))


if __name__ == "__main__":
    main()
