"""BadNets in a federation: honest training on a shard of which a share carries the trigger; nothing else.

T. Gu, B. Dolan-Gavitt and S. Garg, *BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply Chain*,
2017 (arXiv 1708.06733): x̃ = (1 − M) ⊙ x + M ⊙ v, labelled as the target class τ. The mask M and the pattern v are those
of the goal's trigger, theirs being `pixel-patch`; `goal.share` says what share r of the training samples is poisoned.

Deviations: poisoned samples are added to the shard, as copies of its own samples, and r is their share of what there is
then, so a batch has it on average. Shares in use are 20 of 64 (0.31) and 5 of 64 (0.08) of each batch, those of DBA's
code for MNIST and CIFAR-10; fedlens' default is 0.3.

It sees its own samples alone. Any number of clients and attackers will do; under the mean, its effect is α_m of what
the client learns.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from fedlens.attacks.data_poisoning import DataPoisoning


class BadNets(DataPoisoning):
    """Honest training on a shard in which some samples carry the trigger and the target class, without boosting.

    Attributes:
        boost: 1, as the update is sent as it is; `model-replacement` boosts it.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import BadNets
        >>> plan = {"rounds": 1, "control": False, "local": {"epochs": 1}}
        >>> experiment = Experiment(data="digits", goal="backdoor", attack=BadNets(), attackers={"count": 3}, **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> [client.attack.log["boost"] for client in result.record.attackers]
        [1, 1, 1]
    """

    least_parts: ClassVar[int] = 1
    data_rep: ClassVar[int] = 1  # type: ignore[misc]

    boost: Literal[1] = 1
