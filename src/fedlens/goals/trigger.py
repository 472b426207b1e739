"""Triggers: what a backdoor makes a model react to, put into inputs by a pure function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from fedlens.core.config import Config
from fedlens.core.errors import ClientError, ConfigError, named
from fedlens.core.given import oddity
from fedlens.core.lazy import torch
from fedlens.core.origin import at
from fedlens.data.dataset import Data, Dataset

if TYPE_CHECKING:
    from torch import Tensor


class Trigger(Config):
    """A trigger's description; derive from it to bring your own and write `stamp`.

    Example:
        >>> import torch
        >>> from fedlens import Trigger
        >>> class Corner(Trigger):
        ...     def stamp(self, x, part=None):
        ...         x[:, :, -1, -1] = 1
        ...         return x
        >>> Corner().stamp(torch.zeros(2, 1, 8, 8)).sum(dim=(1, 2, 3))
        tensor([1., 1.])
    """

    @property
    def parts(self) -> int:
        """Number of parts that attackers may stamp alone."""
        return 1

    trains: ClassVar[bool] = False
    """Whether attackers may train it, so that it may differ from round to round."""

    def trained(self, state: Mapping[str, Tensor]) -> Trigger:  # noqa: ARG002 - derived classes use it
        """Return the trigger as attackers have trained it, by the `state` that their team keeps."""
        return self

    def fitted(self, data: Data, dataset: Dataset) -> Trigger:  # noqa: ARG002 - derived classes use them
        """Return the trigger with everything that it takes from the data, before its first use.

        Args:
            data: the data set's description.
            dataset: the data set.

        Raises:
            ConfigError: it does not fit these data.
        """
        return self

    def stamp(self, x: Tensor, part: int | None = None) -> Tensor:
        """Return the inputs `x`, shape ``[n, ...]``, with the trigger in them; the same for the same `x`.

        fedlens passes a copy, so that a trigger of your own may work in place.

        Args:
            x: inputs.
            part: the only part to stamp, from 0; ``None`` for the whole trigger.
        """
        raise NotImplementedError


def require_measures(dataset: Dataset) -> None:
    """Require inputs that are measured, such as pixels, and no tokens, whose numbers are names.

    Raises:
        ConfigError: they are whole numbers.
    """
    if not dataset.train.x.is_floating_point():
        raise ConfigError(
            f"goal.trigger: sets values that are measured, but inputs are tokens ({dataset.train.x.dtype}); "
            "e.g. -o goal.trigger=token-sequence"
        )


def stamped(trigger: Trigger, x: Tensor, part: int | None = None) -> Tensor:
    """Return a copy of the inputs `x`, shape ``[n, ...]``, with the trigger, or a `part` of it, in them.

    Raises:
        ClientError: a custom trigger returned anything but inputs of the same shape and type.
    """
    result: object = trigger.stamp(x.clone(), part)
    name = f"trigger {type(trigger).__name__}{at(trigger.stamp)}"
    if type(result) is not torch.Tensor:
        raise ClientError(f"{name} returned {named(result)}; return a tensor shaped like x")
    if odd := oddity(result):
        raise ClientError(f"{name} returned a tensor that is {odd}; return a dense one")
    if result.shape != x.shape or result.dtype != x.dtype:
        given = f"{result.dtype} of shape {tuple(result.shape)}"
        raise ClientError(f"{name} returned {given}, expected {x.dtype} of shape {tuple(x.shape)}, as x has")
    return result
