"""Equal weights: let all updates count equally, whatever their clients announce.

The weights α_i = n_i / Σ n_j of federated averaging (McMahan et al., *Communication-Efficient Learning of Deep Networks
from Decentralized Data*, AISTATS 2017) rest on numbers of samples that clients announce themselves. Many defences
therefore take 1/n for α_i: a rule behind this stage does. NNM and bucketing do so anyway.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.defences.stage import Kind, Report, Server, Stage, State, Updates


class EqualWeights(Stage):
    """Let all updates count equally, whatever their clients announce.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import EqualWeights, Server, State, Updates
        >>> updates = Updates.received(torch.tensor([[1.0], [5.0]]), torch.tensor([0.75, 0.25]).double())
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> server = Server(1, torch.zeros(1), layout, (0, 1), Address.root(0))
        >>> EqualWeights().apply(updates, server, State())[0].weights.tolist()
        [0.5, 0.5]
    """

    kind: ClassVar[Kind] = "mixing"

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        weights = torch.full_like(updates.weights, 1 / len(updates.weights))
        return replace(updates, weights=weights), state, Report()
