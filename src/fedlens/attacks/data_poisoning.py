"""Data poisoning, for comparison: mislabelled copies of the targets in the shard, and no boosting.

Bhagoji et al., *Analyzing Federated Learning through an Adversarial Lens* (ICML 2019), section 5, show it to fail where
model poisoning succeeds: the average takes away most of what the malicious client learns. The number of copies,
``data_rep`` = 10, is the authors' configuration. A ``boost`` above 1 is for trying what boosting alone adds.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import PositiveInt
from typing_extensions import override

from fedlens.attacks.attack import Attack, Boost
from fedlens.attacks.simultaneous_training import with_targets
from fedlens.attacks.team import Member
from fedlens.core.lazy import torch
from fedlens.data.dataset import Samples
from fedlens.goals.success import TargetSamples


class DataPoisoning(Attack):
    """Honest training on a shard with mislabelled copies of the targets.

    Attributes:
        data_rep: copies of each target sample; of a backdoor's samples, ``goal.share`` says how many there are.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import DataPoisoning
        >>> attack = DataPoisoning(data_rep=1000)
        >>> experiment = Experiment(data="digits", rounds=1, attack=attack, control=False)
        >>> [result] = simulate(experiment, engine="serial")
        >>> result.record.malicious.attack.log["steps"]
        60
    """

    aims: ClassVar[bool] = True

    boost: Boost = 1
    data_rep: PositiveInt = 10

    @override
    def poison(self, samples: Samples, member: Member, goal: TargetSamples) -> Samples:
        """Append mislabelled samples: as many of a goal's as it says, one after the other."""
        if member.goal is None or (count := member.goal.copies(len(samples))) is None:
            return with_targets(samples, goal, self.data_rep)
        rows = torch.arange(count, device=samples.y.device) % len(goal.index)
        return Samples(torch.cat([samples.x, goal.x[rows]]), torch.cat([samples.y, goal.target[rows]]))
