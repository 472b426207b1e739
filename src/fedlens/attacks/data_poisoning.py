"""Data poisoning, for comparison: mislabelled copies of the targets in the shard, and no boosting.

Bhagoji et al., *Analyzing Federated Learning through an Adversarial Lens* (ICML 2019), section 5, show it to fail where
model poisoning succeeds: the average takes away most of what the malicious client learns. The number of copies,
``data_rep`` = 10, is the authors' configuration. A ``boost`` above 1 is for trying what boosting alone adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import PositiveInt

from fedlens.attacks.attack import Attack, Boost, View
from fedlens.attacks.simultaneous_training import with_targets
from fedlens.training.local import train

if TYPE_CHECKING:
    from torch import Tensor


class DataPoisoning(Attack):
    """Honest training on a shard with mislabelled copies of the targets.

    Attributes:
        data_rep: copies of each target sample.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import DataPoisoning
        >>> attack = DataPoisoning(data_rep=1000)
        >>> experiment = Experiment(data="digits", rounds=1, attack=attack, control=False)
        >>> [result] = simulate(experiment, engine="serial")
        >>> result.record.malicious.attack.log["steps"]
        60
    """

    boost: Boost = 1
    data_rep: PositiveInt = 10

    def craft(self, view: View) -> Tensor:
        """Return the update, shape ``[d]``; log the steps taken and λ."""
        poisoned = with_targets(view.shard, view, self.data_rep)
        update = train(view.network, view.weights, poisoned, view.local, view.address)
        factor = self.factor(view.alpha)
        view.log.update(steps=view.local.steps_for(len(poisoned)), boost=factor)
        return factor * update
