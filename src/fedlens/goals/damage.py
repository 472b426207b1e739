"""Plain damage: a model that is right less often.

The untargeted attacker of Bhagoji et al. (ICML 2019) and of most work on Byzantine clients. It is measured by the test
accuracy, against the benign twin's after the same round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.goals.goal import NOTHING, Goal, Standing

if TYPE_CHECKING:
    from torch import Tensor

DROP = 0.1
"""The model is damaged if its test accuracy is at least this far below the benign twin's."""


ROUNDING = 1e-9
"""Accuracies are counts divided by the number of samples; their exact difference may be rounded to just below 0.1."""


class Damage(Goal):
    """Test accuracy lost, at least 0.10 against the benign twin.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> damage = {"data": "digits", "goal": "damage", "attack": "explicit-boosting", "rounds": 2}
        >>> *_, last = simulate(Experiment(**damage), engine="serial")
        >>> last.record.goal_met
        True
    """

    asks: ClassVar[bool] = False

    @override
    def wanted(self, y: Tensor) -> Tensor:
        return torch.full_like(y, NOTHING)

    @override
    def met(self, attacked: Standing, twin: Standing) -> bool:
        return twin.accuracy - attacked.accuracy >= DROP - ROUNDING
