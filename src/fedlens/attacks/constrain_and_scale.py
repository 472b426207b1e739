"""Constrain and scale: model replacement whose loss has a term for what a server might find anomalous.

Bagdasaryan et al., *How To Backdoor Federated Learning* (AISTATS 2020): train X from the global weights w on

    α ℓ_class(X) + (1 − α) ℓ_ano(X)

over the poisoned shard, and send γ (X − w) as for `fedlens.attacks.model_replacement`. What a server might find is

- ``l2``: ℓ_ano = ‖X − w‖₂;
- ``cosine``: ℓ_ano = 1 − cos(X, w), of the weights.

Both are taken of all parameters, and part of the gradient in every step. With α = 1, the default of the authors' code,
there is no constraint, so here α has to be given. The paper gives it no single value.

At X = w, ‖X − w‖ has no gradient; there it is taken as zero. It sees what model replacement sees. Any number of clients
and attackers will do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from typing_extensions import override

from fedlens.attacks.attack import Boost, View
from fedlens.attacks.poisoned_training import PoisonedTraining, Steering
from fedlens.core.lazy import functional, torch

if TYPE_CHECKING:
    from torch import Tensor

Anomaly = Literal["l2", "cosine"]


def l2(weights: Tensor, received: Tensor) -> Tensor:
    """Compute ‖X − w‖₂ of two vectors ``[p]``."""
    length: Tensor = torch.linalg.vector_norm(weights - received)
    return length


def cosine(weights: Tensor, received: Tensor) -> Tensor:
    """Compute 1 − cos(X, w) of two vectors ``[p]``."""
    return 1 - functional.cosine_similarity(weights, received, dim=0)


ANOMALY: Mapping[Anomaly, Callable[[Tensor, Tensor], Tensor]] = {"l2": l2, "cosine": cosine}


class ConstrainAndScale(PoisonedTraining):
    """Training on poisoned samples near the global model, with the update boosted so that it replaces that.

    Attributes:
        alpha: weight α of the loss on samples; the rest is the anomaly term's.
        anomaly: what that term measures: ``l2`` or ``cosine``.
        boost: γ; ``auto`` is n/η of the formula.
        epochs: passes E_adv over the poisoned shard; by default as many as those of honest clients over theirs.
        learning_rate: learning rate on it; by default that of honest clients.
        data_rep: copies of each target sample; of a backdoor's samples, ``goal.share`` says how many there are.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import ConstrainAndScale
        >>> def length(alpha):
        ...     attack = ConstrainAndScale(alpha=alpha)
        ...     plan = {"rounds": 1, "control": False, "local": {"steps": 10}, "record": ["norms"]}
        ...     [result] = simulate(Experiment(data="digits", goal="backdoor", attack=attack, **plan), engine="serial")
        ...     return result.record.malicious.measure("norm")
        >>> length(0.5) < length(1)
        True
    """

    alpha: float = Field(ge=0, le=1, examples=[0.7])
    anomaly: Anomaly = "l2"
    boost: Boost = "auto"

    @override
    def _steering(self, view: View) -> Steering:
        network = view.network
        received = view.received[: len(network.vector)]

        def gradient() -> None:
            network.gradient.mul_(self.alpha)
            term = (1 - self.alpha) * ANOMALY[self.anomaly](network.vector, received)
            term.backward()  # type: ignore[no-untyped-call]

        return Steering(gradient=gradient)
