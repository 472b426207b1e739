"""What a global model is worth to attackers, in nats: what they want of it, less a price for accuracy that it lost.

What they want are log-odds, each capped at those of a `confidence`, so that more than enough is worth no more:

- of target samples, the mean log-odds of the classes wanted;
- of a backdoor, the same of triggered copies of their own samples;
- of plain damage, the mean log-odds that their own samples are not taken for what they are; of a regression, the mean
  squared error in variances of the labels, at most `CEILING`.

The price is that of accuracy lost beyond a limit, against the model that there would be if they were honest, or if they
sent what they expect of others, whichever is nearer: where a rule selects one update, two harmless ones lead to models
that err on different samples. Damage has no price. Accuracy is judged on a few samples that are held back, and a search
that tries hundreds of updates on them finds those that look better than they are. So the loss is taken for larger than
it is there, by `doubt` standard errors of the mean difference between both models' answers: the fewer the samples, the
more. An answer is not just right or wrong, which is coarse on few samples, but counts by a ramp: from 0 where the true
class is a nat less likely than another to 1 where it is a nat more likely.
(The probability of the true class misleads: malicious steps with own samples make models surer and worse.)

To count losses alone, and no gains, was tried in place of the doubt. It takes whatever changes a model for a loss, and
stops searches long before accuracy is lost. Under the plain mean (ten clients of a thousand samples of census data, one
round, tuning seeds 40 to 47) 3 of 8 attacks succeeded so at a cost of at most 0.03; with net losses and a doubt of 1
and 2 standard errors 4 and 7 of 8. Without doubt, 2 of 6 did, and cost 0.04 on average where nothing was planned.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan, log
from typing import TYPE_CHECKING

from fedlens.attacks.objective import CEILING
from fedlens.core.lazy import torch
from fedlens.data.dataset import Samples
from fedlens.models.network import Network

if TYPE_CHECKING:
    from torch import Tensor


NARROWLY = 1.0
"""Half of the ramp's width, in nats of log-probability between the true class and the likeliest other one."""


@dataclass(frozen=True)
class Price:
    """The price of accuracy.

    Attributes:
        limit: accuracy that may be lost for nothing, a fraction.
        each: the price of all accuracy, in nats.
        doubt: standard errors by which the loss is taken for larger than it looks.
    """

    limit: float
    each: float
    doubt: float

    def of(self, lost: Tensor) -> float:
        """Return the price, given what each held-back sample lost of its probability, shape ``[m]``."""
        error = float(lost.std() / len(lost) ** 0.5) if len(lost) > 1 else 0.0
        return self.each * max(0.0, float(lost.mean()) + self.doubt * error - self.limit)


@dataclass(frozen=True)
class Worth:
    """What a global model is worth.

    Attributes:
        value: in nats; minus infinity of a model that is not finite.
        gain: the part of it that is wanted, before the price.
        confidence: mean probability of what is wanted; of a regression 0.
        cost: accuracy lost on the held-back samples, less what was gained; 0 where it has no price.
    """

    value: float
    gain: float
    confidence: float
    cost: float


class Utility:
    """The worth of global models to attackers.

    Attributes:
        wanted: inputs, and the classes wanted of them; for damage, the samples that are to be mistaken.
        judged: held-back samples on which accuracy is judged.
        damage: whether `wanted` has true classes, or quantities, from which answers are to differ.
        confidence: where log-odds are capped.
        price: that of accuracy; ``None`` if it has none.
    """

    def __init__(
        self,
        network: Network,
        wanted: Samples,
        judged: Samples,
        price: Price | None,
        *,
        damage: bool,
        confidence: float,
    ) -> None:
        self.wanted, self.judged, self.damage, self.price = wanted, judged, damage, price
        self._network, self._cap = network, log(confidence / (1 - confidence))

    def answers(self, weights: Tensor) -> Tensor:
        """Return how far `weights` (``[d]``) get each held-back sample right, from 0 to 1, shape ``[m]``."""
        self._network.load(weights)
        if self.price is None or not len(self.judged):
            return torch.zeros(1)
        rows = self._network.log_probabilities(self.judged.x).double()
        others = rows.scatter(1, self.judged.y[:, None], -inf).amax(dim=1)
        return ((_of(rows, self.judged.y) - others) / (2 * NARROWLY) + 0.5).clamp(0, 1)

    def harmless(self, honest: Tensor, expected: Tensor) -> Tensor:
        """Return how far harmless models get each held-back sample right, shape ``[2, m]``.

        Args:
            honest: the model that there would be if attackers were honest, shape ``[d]``.
            expected: that if they sent what they expect of others, shape ``[d]``; its answers are raised to be as good
                on average.
        """
        first, second = self.answers(honest), self.answers(expected)
        return torch.stack([first, second + (first - second).mean().clamp(min=0)])

    def worth(self, weights: Tensor, harmless: Tensor) -> Worth:
        """Return what `weights` (``[d]``) are worth.

        Args:
            weights: a global model.
            harmless: the answers of `harmless` models, shape ``[k, m]``; the loss against one of them counts, whose
                price is least.
        """
        if not bool(weights.isfinite().all()):
            return Worth(-inf, -inf, 0.0, 1.0)
        answers = self.answers(weights)
        gain, confidence = self.gain()
        price, lost = min(
            (0.0 if self.price is None else self.price.of(row), float(row.mean())) for row in harmless - answers
        )
        value = gain - price
        return Worth(-inf if isnan(value) else value, gain, confidence, lost)

    def gain(self) -> tuple[float, float]:
        """Return what the network's present weights are worth but for the price, and the mean probability wanted."""
        if self._network.regression:
            return min(self._network.loss(self.wanted.x, self.wanted.y), CEILING), 0.0
        rows = self._network.log_probabilities(self.wanted.x).double()
        chosen = _of(rows, self.wanted.y)
        others = rows.scatter(1, self.wanted.y[:, None], -inf).logsumexp(dim=1)
        odds, probability = (others - chosen, others) if self.damage else (chosen - others, chosen)
        return float(odds.clamp(max=self._cap).mean()), float(probability.exp().mean())


def _of(log_probabilities: Tensor, classes: Tensor) -> Tensor:
    """Return the entry of its class in each row of `log_probabilities` (``[m, classes]``), shape ``[m]``."""
    return log_probabilities.gather(1, classes[:, None])[:, 0]
