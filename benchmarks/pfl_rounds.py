"""Plays rounds of pfl-research's federated averaging (https://github.com/apple/pfl-research) one at a time.

It is started by ``torchrun`` as two processes of one thread each, between which pfl splits the cohort and the test set;
only the first one is asked and answers: see `stepping`. Clients train as its benchmarks' do: on the same batches in
every epoch, which spares a permutation. Its sampler of users takes them in turn.
"""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightByDatapoints
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.central_evaluation import CentralEvaluationCallback
from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.sampling import get_user_sampler
from pfl.hyperparam import NNEvalHyperParams, NNTrainHyperParams
from pfl.internal.ops import pytorch_ops
from pfl.metrics import Metrics, Weighted
from pfl.model.pytorch import PyTorchModel
from stepwise import answers
from task import Pairs, Task
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

NEVER = 10**9
IS_FIRST = pytorch_ops.distributed.global_rank == 0


class Classifier(nn.Module):
    """A network with what pfl asks of one."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """What training minimises."""
        self.train()
        return cross_entropy(self.network(x), y)

    @torch.no_grad()
    def metrics(self, x: Tensor, y: Tensor) -> dict[str, Any]:
        """What evaluation measures."""
        self.eval()
        return {"accuracy": Weighted(int((self.network(x).argmax(dim=1) == y).sum()), len(y))}


class Hold(CentralEvaluationCallback):  # type: ignore[misc]
    """Evaluates after every round, the first one included, and waits to be asked for the next."""

    def __init__(self, test: Any, size: NNEvalHyperParams) -> None:
        super().__init__(test, size)
        self.asked: Callable[[], bool]
        self.answer: Callable[[float], object]
        self.asked, self.answer = answers() if IS_FIRST else (lambda: True, lambda _: None)

    def on_train_begin(self, *, model: Any) -> Any:
        """The first round is asked for, and pfl evaluates before it."""
        self.agreed()
        return super().on_train_begin(model=model)

    def after_central_iteration(self, aggregate_metrics: Any, model: Any, *, central_iteration: int) -> Any:
        """Answer, and wait."""
        _, metrics = super().after_central_iteration(aggregate_metrics, model, central_iteration=central_iteration + 1)
        self.answer(metrics.to_simple_dict()["Central val | accuracy"])
        return not self.agreed(), Metrics()

    def agreed(self) -> bool:
        """Whether the first process was asked for a round; the others are told."""
        wanted = torch.tensor(int(self.asked()))
        torch.distributed.broadcast(wanted, 0)
        return bool(wanted)


def main() -> None:
    """Play as many rounds as are asked for."""
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    np.random.seed(0)  # noqa: NPY002 - pfl draws users from it
    torch.manual_seed(pytorch_ops.distributed.global_rank)
    task = Task.load(Path(sys.argv[1]))
    size = NNEvalHyperParams(local_batch_size=len(task.test[0][1]))
    hold = Hold(joined(task.test), size)
    network = Classifier(task.model)
    model = PyTorchModel(
        model=network,
        local_optimizer_create=lambda parameters, lr: torch.optim.Adam(parameters, lr=lr, fused=True),
        central_optimizer=torch.optim.SGD(network.parameters(), lr=1.0),
    )
    clients = FederatedDataset(
        lambda client: Dataset(task.shards[client], user_id=str(client)),
        get_user_sampler("minimize_reuse", range(len(task.shards))),
    )
    FederatedAveraging().run(
        algorithm_params=NNAlgorithmParams(
            central_num_iterations=NEVER,
            evaluation_frequency=NEVER,
            train_cohort_size=task.cohort_size,
            val_cohort_size=0,
        ),
        backend=SimulatedBackend(clients, val_data=clients, postprocessors=[WeightByDatapoints()]),
        model=model,
        model_train_params=NNTrainHyperParams(
            local_num_epochs=task.epochs,
            local_learning_rate=task.learning_rate,
            local_batch_size=task.batch_size,
        ),
        model_eval_params=size,
        callbacks=[hold],
        send_metrics_to_platform=False,
    )


def joined(pairs: Pairs) -> Any:
    """All samples as one data set."""
    return Dataset((torch.cat([x for x, _ in pairs]), torch.cat([y for _, y in pairs])))


if __name__ == "__main__":
    main()
