"""Goals: what attackers want, if not that a few target samples are misclassified, and when a model meets it.

A goal changes inputs (or leaves them as they are), says which class it wants each to be taken for, and judges a model
by how often it has that, against the benign twin on the same inputs. So it measures itself on any model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fedlens.core.config import Config
from fedlens.data.dataset import Data, Dataset
from fedlens.goals.answers import BackdoorRecord

if TYPE_CHECKING:
    from torch import Tensor

NOTHING = -1
"""In place of a class, where nothing is wanted of an input."""

EXCESS = 0.5
"""A backdoor must succeed on this share of inputs more than in the benign twin."""


@dataclass(frozen=True)
class Standing:
    """What a goal is judged by: a model's test accuracy, and its answers to the inputs of which something is wanted.

    Attributes:
        accuracy: a fraction; ``None`` of a regression.
        backdoor: the answers; ``None`` where none are asked for.
        nmae: of a regression the test MAE, in standard deviations of the labels; ``None`` where it is not finite.

    Example:
        >>> from fedlens.goals import Damage, Standing
        >>> Damage().met(Standing(0.7, None), Standing(0.9, None))
        True
    """

    accuracy: float | None
    backdoor: BackdoorRecord | None
    nmae: float | None = None


class Goal(Config):
    """A goal's description; derive from it to bring your own and write `wanted`.

    Example:
        >>> from fedlens import Experiment, Goal, simulate
        >>> class NextClass(Goal):
        ...     def inputs(self, x, part=None):
        ...         x[:, :, 0, 0] = 1
        ...         return x
        ...     def wanted(self, y):
        ...         return (y + 1) % 10
        >>> experiment = Experiment(data="digits", rounds=1, goal=NextClass(), attack="honest", control=False)
        >>> [result] = simulate(experiment, engine="serial")
        >>> result.record.backdoor.count
        360
    """

    asks: ClassVar[bool] = True
    """Whether it wants inputs to be taken for certain classes; otherwise attackers can but raise the loss."""

    @property
    def parts(self) -> int:
        """Number of parts in which inputs may be changed, by an attacker each."""
        return 1

    @property
    def trains(self) -> bool:
        """Whether attackers train what they put into inputs, so that it may differ from round to round."""
        return False

    def trained(self, state: Mapping[str, Tensor]) -> Goal:  # noqa: ARG002 - derived classes use it
        """Return the goal with what attackers have trained, of the `state` that their team keeps."""
        return self

    def settled(self, data: Data) -> Goal:  # noqa: ARG002 - derived classes use it
        """Return the goal with those defaults that depend on the data set's description.

        Raises:
            ConfigError: there is no default.
        """
        return self

    def fitted(self, data: Data, dataset: Dataset) -> Goal:  # noqa: ARG002 - derived classes use them
        """Return the goal with everything that it takes from the data.

        Raises:
            ConfigError: it does not fit these data.
        """
        return self

    def inputs(self, x: Tensor, part: int | None = None) -> Tensor:  # noqa: ARG002 - derived classes use it
        """Return the inputs `x`, shape ``[n, ...]``, as attackers change them; by default as they are.

        fedlens passes a copy, so that a goal of your own may work in place.

        Args:
            x: inputs.
            part: the only part to change, from 0; ``None`` for all of them.
        """
        return x

    def wanted(self, y: Tensor) -> Tensor:
        """Return the classes that inputs of true classes `y` are to be taken for; both have shape ``[n]``.

        -1 stands for inputs of which nothing is wanted, as those that are of the target class anyway.
        """
        raise NotImplementedError

    def copies(self, own: int) -> int | None:  # noqa: ARG002 - derived classes use it
        """Return how many changed samples an attack by poisoned data adds to its `own`; ``None`` leaves it to that."""
        return None

    def met(self, attacked: Standing, twin: Standing) -> bool:
        """Tell whether a model meets the goal, compared with the benign twin's after the same round.

        By default it has to give the classes wanted to half of the inputs more than the twin.
        """
        ours, twins = attacked.backdoor, twin.backdoor
        return ours is not None and twins is not None and ours.hits - twins.hits >= EXCESS * ours.count
