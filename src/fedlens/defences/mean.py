"""The weighted mean (federated averaging).

McMahan et al., *Communication-Efficient Learning of Deep Networks from Decentralized Data* (AISTATS 2017):
w_G^{t+1} = w_G^t + Σ α_i δ_i with α_i = n_i / Σ n_j over the round's cohort.
"""

from typing import ClassVar

from typing_extensions import override

from fedlens.defences.rule import Aggregate, Received, Rule


class Mean(Rule):
    """The weighted mean Σ α_i δ_i (federated averaging)."""

    averages: ClassVar[bool] = True

    @override
    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(received.alpha.to(received.updates) @ received.updates, received.alpha)
