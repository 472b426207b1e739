"""What a round gives: its record, and what is too large or too fleeting for one."""

from dataclasses import dataclass, field

from torch import Tensor

from fedlens.runs.record import RoundRecord
from fedlens.runs.state import FederationState


@dataclass(frozen=True)
class RoundResult:
    """A round's record, the state after it, and values that need not be repeatable.

    Attributes:
        record: the record.
        state: the federation afterwards, with the global weights.
        log_probabilities: the global model's, on the test set, shape ``[samples, classes]``; of a regression the
            quantities that it predicts, standardised, ``[samples, 1]``.
        seconds: wall time of each stage.
        tables: tables that are too large for the record, by ``check.table`` or ``recording.table``.

    Example:
        >>> import fedlens
        >>> [result] = fedlens.simulate(fedlens.Experiment(data="digits", rounds=1), engine="serial")
        >>> result.record.round, result.log_probabilities.shape
        (1, torch.Size([360, 10]))
    """

    record: RoundRecord
    state: FederationState
    log_probabilities: Tensor
    seconds: dict[str, float] = field(default_factory=dict)
    tables: dict[str, Tensor] = field(default_factory=dict)
