"""Plays rounds of fluke's federated averaging (https://github.com/makgyver/fluke) one at a time: see `stepping`.

It has clients take turns in one process. They do not keep their optimizer from round to round, and only the server
evaluates, by fluke's own `ClassificationEval` with accuracy alone. fluke's data sets and ready-made networks want
torchvision, of the same build as PyTorch; nothing here uses them, and empty modules stand in.
"""

import contextlib
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from stepwise import answers
from task import Pairs, Task, choose_threads


def empty_class(name: str) -> type:
    """What an empty module has by any name but those of Python's own."""
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})


for name in ("", ".datasets", ".datasets.utils", ".models", ".transforms"):
    module = ModuleType(f"torchvision{name}")
    module.__spec__, module.__path__ = ModuleSpec(module.__name__, None), []
    module.__getattr__ = empty_class  # type: ignore[method-assign]
    sys.modules[module.__name__] = module

from fluke import FlukeENV  # noqa: E402
from fluke.algorithms.fedavg import FedAVG  # noqa: E402
from fluke.client import Client  # noqa: E402
from fluke.config import OptimizerConfigurator  # noqa: E402
from fluke.data import FastDataLoader  # noqa: E402
from fluke.evaluation import ClassificationEval  # noqa: E402
from fluke.server import EarlyStopping, Server  # noqa: E402
from fluke.utils import FederationObserver, ServerObserver  # noqa: E402
from torchmetrics import Accuracy  # noqa: E402

NEVER = 10**9


class Hold(FederationObserver, ServerObserver):  # type: ignore[misc]
    """Waits to be asked for a round, and answers."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.answer = answers()

    def server_evaluation(self, round: int, eval_type: str, evals: dict[str, float], **_: Any) -> None:  # noqa: A002,ARG002
        """Answer, and wait for the next."""
        self.answer(evals["accuracy"])
        if not self.asked():
            raise EarlyStopping(round)


def main() -> None:
    """Play as many rounds as are asked for."""
    task = Task.load(Path(sys.argv[1]))
    hold = Hold()
    choose_threads(task)
    environment = FlukeENV()
    environment.set_seed(0)
    environment.set_device("cpu")
    environment.set_eval_cfg(server=True, locals=False, pre_fit=False, post_fit=False)
    measure = Accuracy(task="multiclass", num_classes=task.classes)
    environment.set_evaluator(ClassificationEval(1, task.classes, accuracy=measure))
    optimizer = OptimizerConfigurator({"name": "Adam", "lr": task.learning_rate, "fused": True})
    clients = [
        Client(
            index=number,
            train_set=FastDataLoader(x, y, num_labels=task.classes, batch_size=task.batch_size, shuffle=True),
            test_set=None,
            optimizer_cfg=optimizer,
            loss_fn=torch.nn.CrossEntropyLoss(),
            local_epochs=task.epochs,
            persistency=False,
        )
        for number, (x, y) in enumerate(task.shards)
    ]
    server = Server(task.model, joined(task.test, task.classes), clients, weighted=True)
    federation = FedAVG(len(clients), None, {}, clients=clients, server=server)
    federation.set_callbacks(hold)
    if hold.asked():
        with contextlib.suppress(EarlyStopping):  # fluke evaluates once more when it is stopped
            federation.run(n_rounds=NEVER, eligible_perc=task.cohort_size / len(clients))


def joined(pairs: Pairs, classes: int) -> Any:
    """All samples, in blocks as large as the first."""
    x, y = torch.cat([x for x, _ in pairs]), torch.cat([y for _, y in pairs])
    return FastDataLoader(x, y, num_labels=classes, batch_size=len(pairs[0][1]))


if __name__ == "__main__":
    main()
