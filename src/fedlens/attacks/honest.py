"""No attack at all: the malicious client trains like every other client, and sends δ = w_m − w as they do.

A run of it is its benign twin, bit for bit (up to rounding where clients are trained side by side), but is recorded
like an attacked one. Whatever a measure reports here, it reports for no effect at all: a negative control
(M. Lipsitch, E. Tchetgen Tchetgen and T. Cohen, *Negative Controls*, Epidemiology 21(3), 2010) for claims and checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from typing_extensions import override

from fedlens.attacks.attack import Attack, View

if TYPE_CHECKING:
    from torch import Tensor


class Honest(Attack):
    """Honest training, with the update sent as it is.

    Attributes:
        boost: 1, as there is nothing to boost.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import Honest
        >>> attack = Honest()
        >>> experiment = Experiment(data="digits", rounds=1, attack=attack, control=False)
        >>> [result] = simulate(experiment, engine="serial")
        >>> result.record.malicious.attack.log["steps"], result.record.malicious.attack.log["boost"]
        (10, 1)
    """

    boost: Literal[1] = 1

    @property
    @override
    def trains_honestly(self) -> bool:
        return True

    def craft(self, view: View) -> Tensor:
        """Return the update, shape ``[d]``, of an honest client; log its steps."""
        view.log.update(steps=view.local.steps_for(len(view.shard)), boost=1)
        return view.train()
