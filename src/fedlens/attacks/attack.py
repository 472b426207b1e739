"""What an attack is, and what it may know.

A malicious client does not collude. It sees its own shard, its auxiliary samples, the global weights of the rounds in
which it was chosen, the weight α_m that the server announces, and what it sent itself. `View` holds that and nothing
else: no seed, no other client's data, no other client's update. An attack that needs the others' updates must declare
itself `omniscient`, and every result of it says so.
"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor

from fedlens.config import Config
from fedlens.data.dataset import Samples
from fedlens.federation.local import LocalTraining, train
from fedlens.models.network import Network
from fedlens.random import Address

Boost = Literal["auto"] | Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Auxiliary:
    """The samples that the attacker wants misclassified.

    Attributes:
        x: inputs, shape ``[r, ...]``.
        true: their true classes, shape ``[r]``.
        target: the classes wanted by the attacker, shape ``[r]``.
        index: where the samples stand in the test set, shape ``[r]``.
    """

    x: Tensor
    true: Tensor
    target: Tensor
    index: Tensor


@dataclass(frozen=True)
class Observation:
    """What the malicious client keeps of a round in which it took part."""

    round: int
    alpha: float
    weights: Tensor
    update: Tensor


@dataclass(frozen=True)
class View:
    """What the malicious client sees when it is chosen.

    Attributes:
        round: number of the round, from 1.
        weights: global weights w_G^t, shape ``[d]``.
        alpha: weight α_m that its update will have in the average, as announced.
        shard: its own samples.
        auxiliary: the samples that it wants misclassified.
        local: how honest clients train.
        network: a working copy of the model, loaded with `weights`.
        address: where its random draws begin.
        history: the rounds before in which it took part, as many as the attack `remembers`, the latest last.
        others: the other clients' updates, shape ``[n - 1, d]``, for an attack that declares itself omniscient.
        log: numbers that the attack wants in the round's record.
    """

    round: int
    weights: Tensor
    alpha: float
    shard: Samples
    auxiliary: Auxiliary
    local: LocalTraining
    network: Network
    address: Address
    history: tuple[Observation, ...] = ()
    others: Tensor | None = None
    log: dict[str, float] = field(default_factory=dict)

    def train(self) -> Tensor:
        """The update ``[d]`` that an honest client in this place would send."""
        return train(self.network, self.weights, self.shard, self.local, self.address)


class Attack(Config):
    """An attack's description; derive from it to bring your own and write `craft`.

    Attributes:
        client: the malicious client's index; the last one by default, as in the authors' configuration.
        delay: behave honestly before this round (the first round is 1).
        hold_off: behave honestly while the global model gives every target at least this confidence. The paper's 1 is
            reached only where rounding makes it so; 0.999 holds off more readily.
        boost: boosting factor λ; ``auto`` is 1/α_m, which cancels the averaging.
    """

    omniscient: ClassVar[bool] = False
    remembers: ClassVar[int] = 0

    client: NonNegativeInt | None = None
    delay: NonNegativeInt = 0
    hold_off: float | None = Field(default=None, gt=0, le=1)
    boost: Boost = "auto"

    def craft(self, view: View) -> Tensor:
        """The update to send, shape ``[d]``."""
        raise NotImplementedError

    def factor(self, alpha: float) -> float:
        """The boosting factor λ for an announced weight α_m."""
        return 1 / alpha if self.boost == "auto" else self.boost

    def waits(self, view: View) -> str | None:
        """Why the attack behaves honestly in this round, or ``None`` where it acts."""
        if view.round < self.delay:
            return "delay"
        if self.hold_off is not None:
            log_probabilities = view.network.log_probabilities(view.auxiliary.x)
            wanted = log_probabilities.gather(1, view.auxiliary.target[:, None]).exp()
            if bool(torch.all(wanted >= self.hold_off)):
                return "hold-off"
        return None
