"""Train and scale: model replacement whose update is as long as a bound allows.

Bagdasaryan et al., *How To Backdoor Federated Learning* (AISTATS 2020): against a server that only looks at how long
updates are, train X as for `fedlens.attacks.model_replacement` and send

    δ = γ (X − w),    γ = S / ‖X − w‖₂,

so that ‖δ‖ = S, the longest that the server takes. Buffers that training changes are sent as they are and do not count.

It sees its own samples, and knows the bound S, for which there is no default. Any number of clients and attackers will
do. Where X = w there is nothing to scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from fedlens.attacks.attack import View
from fedlens.attacks.poisoned_training import PoisonedTraining

if TYPE_CHECKING:
    from torch import Tensor


class TrainAndScale(PoisonedTraining):
    """Training on poisoned samples, with the update scaled to a length.

    Attributes:
        bound: the L2 norm S of what is sent.
        boost: ``auto``; see `bound`.
        estimate: ``pre`` starts from the estimate of where the others go; correction afterwards would break the bound.
        epochs: passes E_adv over the poisoned shard; by default as many as those of honest clients over theirs.
        learning_rate: learning rate on it; by default that of honest clients.
        data_rep: copies of each target sample; of a backdoor's samples, ``goal.share`` says how many there are.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import TrainAndScale
        >>> plan = {"rounds": 1, "control": False, "local": {"epochs": 1}, "record": ["norms"]}
        >>> experiment = Experiment(data="digits", goal="backdoor", attack=TrainAndScale(bound=5), **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> round(result.record.malicious.measure("norm"), 4)
        5.0
    """

    divided: ClassVar[bool] = False

    bound: float = Field(gt=0, examples=[10.0])
    boost: Literal["auto"] = "auto"
    estimate: Literal["pre"] | None = None

    @override
    def _boost(self, update: Tensor, view: View) -> float:
        length = float(update.double().norm())
        return self.bound / length if length else 1.0
