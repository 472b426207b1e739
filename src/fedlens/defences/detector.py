"""Server-side checks: they see a round's updates, score every client, and flag some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from fedlens.core.config import Config
from fedlens.core.layout import Layout

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Validation:
    """Accuracy on the server's validation set of two models for each client.

    Attributes:
        own: of w_G^t + δ_i, a fraction, shape ``[n]``, float64.
        others: of w_G^t and the weighted mean of all the others' updates, shape ``[n]``, float64; that of w_G^t itself
            for a single client.

    Example:
        >>> import torch
        >>> from fedlens.defences import Validation
        >>> measured = Validation(own=torch.tensor([0.75, 0.25]), others=torch.tensor([0.75, 0.75]))
        >>> measured.others - measured.own
        tensor([0.0000, 0.5000])
    """

    own: Tensor
    others: Tensor


@dataclass(frozen=True)
class Inspection:
    """A server's view of a round before it aggregates.

    Attributes:
        round: number of the round, from 1.
        weights: global weights w_G^t, shape ``[d]``.
        updates: a row for each client, shape ``[n, d]``.
        alpha: the clients' weights α_i, shape ``[n]``, float64, adding up to 1.
        layout: the parameter that each of the d entries belongs to.
        validation: accuracies on the validation set, for a detector that declares that it `validates`.

    Example:
        >>> import torch
        >>> from fedlens import Inspection, Layout
        >>> layout = Layout.of(torch.nn.Linear(2, 1, bias=False))
        >>> updates, alpha = torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.tensor([0.5, 0.5]).double()
        >>> seen = Inspection(1, torch.zeros(2), updates, alpha, layout)
        >>> seen.updates.norm(dim=1)
        tensor([5., 1.])
    """

    round: int
    weights: Tensor
    updates: Tensor
    alpha: Tensor
    layout: Layout
    validation: Validation | None = None


@dataclass(frozen=True)
class Verdict:
    """A detector's judgement of a round; every tensor and list has an entry for each of the n clients.

    Attributes:
        scores: the higher, the more suspicious; on a scale that is the same in every round, shape ``[n]``.
        flagged: True for suspects, shape ``[n]``, bool.
        details: numbers for the round's record, by name.
        tables: tensors that are too large for the record, ``[n, ...]``, by name.

    Example:
        >>> import torch
        >>> from fedlens import Verdict
        >>> lengths = torch.tensor([1.0, 1.2, 7.0])
        >>> verdict = Verdict(lengths, lengths > 5, details={"length": lengths.tolist()})
        >>> verdict.flagged
        tensor([False, False,  True])
    """

    scores: Tensor
    flagged: Tensor
    details: Mapping[str, list[float] | list[list[float]]] = field(default_factory=dict)
    tables: Mapping[str, Tensor] = field(default_factory=dict)


class Detector(Config):
    """A check's description; derive from it to bring your own and write `inspect`.

    `inspect` is called in any worker process: its result must depend on its argument alone, and it must keep no state.

    Attributes:
        action: ``observe`` records scores and decisions; ``reject`` withholds flagged updates from the rule, too.

    Example:
        >>> import torch
        >>> from fedlens import Detector, Inspection, Layout, Verdict
        >>> class Long(Detector):
        ...     limit: float = 5.0
        ...     def inspect(self, seen):
        ...         lengths = seen.updates.norm(dim=1)
        ...         return Verdict(lengths, lengths > self.limit)
        >>> updates, layout = torch.tensor([[1.0], [7.0]]), Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> Long(limit=2).inspect(Inspection(1, torch.zeros(1), updates, torch.tensor([0.5, 0.5]), layout)).flagged
        tensor([False,  True])
    """

    validates: ClassVar[bool] = False
    """True if it needs accuracies on a validation set, which is then taken out of the training samples."""

    action: Literal["observe", "reject"] = "observe"

    @property
    def boundary(self) -> float | None:
        """The score above which a client is flagged; ``None`` if no single number decides."""
        return None

    @property
    def sees_buffers(self) -> bool:
        """Whether it is shown the buffers that training changes, too, behind the parameters."""
        return False

    def inspect(self, seen: Inspection) -> Verdict:
        """Score and flag the clients of a round."""
        raise NotImplementedError
