"""Accuracy check: does a client's update cost the model accuracy?

Bhagoji et al., *Analyzing Federated Learning through an Adversarial Lens* (ICML 2019), section 3: the server compares
the validation accuracy of w_G^t + δ_i with that of w_G^t + Σ_{j≠i} α_j δ_j / Σ_{j≠i} α_j, the model without client i:

    score_i = accuracy of the others' model − accuracy of w_G^t + δ_i

The paper gives no threshold; 0.1 is ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from typing_extensions import override

from fedlens.defences.detector import Detector, Inspection, Validation, Verdict

if TYPE_CHECKING:
    from torch import Tensor

ROUNDING = 1e-12
"""Tolerance above the threshold: 0.1705 − 0.0705 is not quite 0.1 to a computer."""


def shortfall(validation: Validation) -> Tensor:
    """Return how much less accurate each client's model is than the others', a fraction, shape ``[n]``, float64."""
    return validation.others - validation.own


class AccuracyCheck(Detector):
    """A check for clients whose own model is less accurate than that of all others, on a validation set.

    A client that is alone is measured against w_G^t itself and never flagged: there are no others to differ from, and
    without its update the round would have none.

    Attributes:
        threshold: flag a client whose model is less accurate by more than this fraction.

    Example:
        >>> import torch
        >>> from fedlens import Layout
        >>> from fedlens.defences import AccuracyCheck, Inspection, Validation
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> measured = Validation(own=torch.tensor([0.75, 0.25]), others=torch.tensor([0.75, 0.75]))
        >>> updates, alpha = torch.tensor([[1.0], [9.0]]), torch.tensor([0.5, 0.5]).double()
        >>> AccuracyCheck().inspect(Inspection(1, torch.zeros(1), updates, alpha, layout, measured)).scores
        tensor([0.0000, 0.5000])
    """

    validates: ClassVar[bool] = True

    threshold: float = Field(default=0.1, ge=0, le=1)

    @property
    @override
    def boundary(self) -> float:
        return self.threshold

    @override
    def inspect(self, seen: Inspection) -> Verdict:
        """Score by the shortfall; the details are both accuracies."""
        assert seen.validation is not None, "the round did not measure accuracy on a validation set"
        scores = shortfall(seen.validation)
        flagged = (scores > self.threshold + ROUNDING) & (len(scores) > 1)
        details = {"own": seen.validation.own.tolist(), "others": seen.validation.others.tolist()}
        return Verdict(scores, flagged, details)
