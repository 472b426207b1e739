"""Model replacement: a backdoored model, boosted so that the average becomes it.

E. Bagdasaryan, A. Veit, Y. Hua, D. Estrin and V. Shmatikov, *How To Backdoor Federated Learning* (AISTATS 2020): train
a model X on poisoned samples from the global weights w, and send

    δ = γ (X − w),    γ = n/η;

here γ is 1/α_m, and of several attackers in a round 1/Σα_m over them. If the others send zeros, the global model of the
next round is X exactly; near convergence they nearly do.

The authors train longer and at a lower rate than honest clients do: see `epochs` and `learning_rate`. Deviations: they
lower the rate within a round and stop early once the backdoor's loss is small; neither is done here. Their code's
γ is 100, as a number.

It sees its own samples and the weight that the server announces for it. Any number of clients and attackers will do.
"""

from __future__ import annotations

from fedlens.attacks.attack import Boost
from fedlens.attacks.poisoned_training import PoisonedTraining


class ModelReplacement(PoisonedTraining):
    """Training on poisoned samples, with the update boosted so that it replaces the global model.

    Attributes:
        boost: γ; ``auto`` is n/η of the formula.
        epochs: passes E_adv over the poisoned shard; by default as many as those of honest clients over theirs.
        learning_rate: learning rate on it; by default that of honest clients.
        data_rep: copies of each target sample; of a backdoor's samples, ``goal.share`` says how many there are.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import ModelReplacement
        >>> attack = ModelReplacement(epochs=6)
        >>> experiment = Experiment(data="digits", rounds=1, goal="backdoor", attack=attack, control=False)
        >>> [result] = simulate(experiment, engine="serial")
        >>> result.record.backdoor.rate > 0.9
        True
    """

    boost: Boost = "auto"
