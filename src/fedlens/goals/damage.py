"""Plain damage: a model that is right less often, or of a regression more wrong.

The untargeted attacker of Bhagoji et al. (ICML 2019) and of most work on Byzantine clients. It is measured by the test
accuracy, against the benign twin's after the same round. A regression has none: there it is the test MAE, in standard
deviations of the labels (our choice), so that the bound is the same for any unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.goals.goal import NOTHING, Goal, Standing

if TYPE_CHECKING:
    from torch import Tensor

DROP = 0.1
"""The model is damaged if its test accuracy is at least this far below the benign twin's, a fraction."""
RISE = 0.1
"""A regression is damaged if its test MAE is at least so many standard deviations of the labels above the twin's."""

ROUNDING = 1e-9
"""Accuracies are counts divided by the number of samples; their exact difference may be rounded to just below 0.1."""


class Damage(Goal):
    """Test accuracy lost, at least 0.10 against the benign twin; of a regression, test MAE risen.

    A regression's test MAE is to be at least 0.1 standard deviations of the training labels above the twin's.

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
        if twin.accuracy is not None and attacked.accuracy is not None:
            return twin.accuracy - attacked.accuracy >= DROP - ROUNDING
        if twin.nmae is None:
            return False
        return attacked.nmae is None or attacked.nmae - twin.nmae >= RISE - ROUNDING
