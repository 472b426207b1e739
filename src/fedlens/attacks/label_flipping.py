"""Label flipping: honest training on samples with other labels.

B. Biggio, B. Nelson and P. Laskov, *Poisoning Attacks against Support Vector Machines* (ICML 2012); in federated
learning V. Tolpegin, S. Truex, M. E. Gursoy and L. Liu, *Data Poisoning Attacks Against Federated Learning Systems*
(ESORICS 2020), and M. Fang, X. Cao, J. Jia and N. Z. Gong (USENIX Security 2020). Of C classes, a label y becomes

- ``reverse``: C − 1 − y, as by Fang et al., which applied twice changes nothing;
- ``next``: y + 1, and 0 for the last;
- ``class``: `target` if it is `source`, as by Tolpegin et al.; else it stays.

The inputs stay, and every sample of the class is flipped, the same in every round.

With an odd number of classes, ``reverse`` leaves the middle one as it is.

*Sees* its own data. It needs neither the rule nor n; m ≥ 1, and for ``class`` samples of the source. It trains as
honest clients do, side by side with them where these are, and has to be many to weigh: a few flippers among many
clients leave the mean nearly as accurate. It keeps nothing from round to round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import NonNegativeInt, model_validator
from typing_extensions import override

from fedlens.attacks.attack import Attack, Boost
from fedlens.attacks.objective import OnlyUntargeted
from fedlens.attacks.team import Member
from fedlens.core.errors import ConfigError
from fedlens.data.dataset import Samples
from fedlens.goals.success import TargetSamples

if TYPE_CHECKING:
    from torch import Tensor

Form = Literal["reverse", "next", "class"]


class LabelFlipping(Attack):
    """Honest training on samples whose labels are changed by a fixed map.

    Attributes:
        objective: ``untargeted``: it has no target samples, and damages the model, or one class of it.
        form: which label becomes which: ``reverse`` (C - 1 - y), ``next`` (y + 1) or one ``class`` another.
        source: with ``class``, number of the class whose labels are changed.
        target: with ``class``, number of the class that they become.
        boost: boosting factor λ of the update; 1 is none.

    Example:
        >>> import torch
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import LabelFlipping
        >>> from fedlens.attacks.label_flipping import flipped
        >>> flipped(torch.tensor([3, 6, 9]), 10, "reverse")
        tensor([6, 3, 0])
        >>> plan = {"rounds": 1, "control": False, "local": {"steps": 2}}
        >>> attack = LabelFlipping(form="class", source=1, target=7)
        >>> experiment = Experiment(data="digits", attack=attack, attackers={"count": 2}, **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> [client.attack.log["flipped"] > 5 for client in result.record.attackers]
        [True, True]
    """

    objective: OnlyUntargeted = "untargeted"
    form: Form = "reverse"
    source: NonNegativeInt | None = None
    target: NonNegativeInt | None = None
    boost: Boost = 1

    @model_validator(mode="after")
    def _told(self) -> LabelFlipping:
        given = [name for name in ("source", "target") if getattr(self, name) is not None]
        if self.form == "class" and len(given) < 2:
            raise ValueError(
                "source and target: which class becomes which; e.g. "
                "-o 'attack={name: label-flipping, form: class, source: 0, target: 1}'"
            )
        if self.form == "class" and self.source == self.target:
            raise ValueError(f"target: it is the source already; e.g. -o attack.target={(self.target or 0) + 1}")
        if self.form != "class" and given:
            raise ValueError(f"{given[0]}: only one class of many has it; e.g. -o attack.form=class")
        return self

    @override
    def poison(self, samples: Samples, member: Member, goal: TargetSamples) -> Samples:
        """Change the labels; log how many have become others.

        Raises:
            ConfigError: there is no such class.
        """
        for option in ("source", "target"):
            if (number := getattr(self, option)) is not None and number >= member.classes:
                last = member.classes - 1
                raise ConfigError(
                    f"attack.{option}: there is no class {number}; the last is {last}, e.g. -o attack.{option}={last}"
                )
        change = None if self.source is None or self.target is None else (self.source, self.target)
        y = flipped(samples.y, member.classes, self.form, change)
        member.log["flipped"] = int((y != samples.y).sum())
        return Samples(samples.x, y)


def flipped(y: Tensor, classes: int, form: Form, change: tuple[int, int] | None = None) -> Tensor:
    """Return the labels `y` (int64, any shape) changed by one of the maps; of ``class``, `change` is source and target.

    Raises:
        ValueError: this is missing.
    """
    if form == "reverse":
        return classes - 1 - y
    if form == "next":
        return (y + 1) % classes
    if change is None:
        raise ValueError("class: which becomes which?")
    source, target = change
    return y.masked_fill(y == source, target)
