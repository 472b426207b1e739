"""The weighted mean (federated averaging).

McMahan et al., *Communication-Efficient Learning of Deep Networks from Decentralized Data* (AISTATS 2017):
w_G^{t+1} = w_G^t + Σ α_i δ_i with α_i = n_i / Σ n_j over the round's cohort.
"""

from typing import ClassVar

from typing_extensions import override

from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.defences.stage import Sees


class Mean(Rule):
    """The weighted mean Σ α_i δ_i (federated averaging).

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Mean, Received
        >>> updates, alpha = torch.tensor([[1.0], [1.1], [1.2], [1.4], [9.0]]), torch.ones(5).double() / 5
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> Mean().aggregate(Received(updates, alpha, layout, Address.root(0))).update
        tensor([2.7400])
    """

    averages: ClassVar[bool] = True
    sees: ClassVar[Sees] = "sum"

    @override
    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(received.alpha.to(received.updates) @ received.updates, received.alpha)
