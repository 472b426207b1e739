"""FedProx: a term of the local loss that holds clients near the global model.

T. Li, A. K. Sahu, M. Zaheer, M. Sanjabi, A. Talwalkar, V. Smith, *Federated Optimization in Heterogeneous Networks*
(MLSys 2020): a client minimises F_i(w) + μ/2 ‖w − w_G^t‖², where w_G^t is the global model that it has received, so
that μ (w − w_G^t) is added to the gradient of every batch. The paper takes μ from 0.001 to 1 (from memory); μ = 0 is
federated averaging.
Its other part, clients that do less work than others, is `failures.stragglers` and `failures.work`.

Parameters are held, running statistics are not. Attacks that minimise a loss of their own do without the term.
"""

from __future__ import annotations

from typing_extensions import override

from fedlens.training.optimizers import Optimizer, Variable


class Proximal(Optimizer):
    """An optimizer of a variable whose loss has the term μ/2 ‖w − w_0‖² as well, where it is at w_0 now.

    Args:
        optimizer: takes the steps.
        variable: what it optimises; gradients that it then has are those of the other terms.
        mu: how strongly it is held (μ).

    Example:
        >>> import torch
        >>> from fedlens import LocalTraining
        >>> from fedlens.models import Network
        >>> from fedlens.training import Proximal
        >>> network = Network(torch.nn.Linear(1, 2, bias=False))
        >>> network.load(torch.zeros(2))
        >>> held = Proximal(LocalTraining(optimizer="sgd", learning_rate=0.5).new_optimizer(network), network, mu=0.5)
        >>> _ = network.vector.data.copy_(torch.tensor([2.0, -4.0]))
        >>> held.step()  # by 0.5 · 0.5 · w towards 0
        >>> network.vector.data
        tensor([ 1.5000, -3.0000])
    """

    def __init__(self, optimizer: Optimizer, variable: Variable, mu: float) -> None:
        self._optimizer, self._variable, self._mu = optimizer, variable, mu
        self._start = variable.vector.detach().clone()

    @override
    def step(self) -> None:
        present = self._variable.vector.detach()
        self._variable.gradient.add_(present - self._start[: len(present)], alpha=self._mu)
        self._optimizer.step()
