"""Training until the malicious loss is small, as the authors' code does."""

from collections.abc import Callable
from typing import Protocol

from fedlens.attacks.attack import View
from fedlens.attacks.objective import Goal


class Patience(Protocol):
    """Options that say how long an attack trains."""

    @property
    def epochs(self) -> int:
        """Steps before the loss is tested."""

    @property
    def threshold(self) -> float | None:
        """Cross-entropy that is small enough, in nats; ``None`` stops after `epochs`."""

    @property
    def check_every(self) -> int:
        """Steps between two tests."""

    @property
    def step_cap(self) -> int:
        """Maximum number of steps."""


def persist(view: View, goal: Goal, step: Callable[[], None], patience: Patience) -> tuple[int, float]:
    """Take `epochs` steps, then `check_every` more at a time until the loss, without dropout, is small enough.

    Args:
        view: what the attack sees; its network is trained.
        goal: computes the loss, and tells whether it is small enough.
        step: takes a step, in training mode.
        patience: how long to train.

    Returns:
        The steps taken and the loss at the end.
    """
    steps, until = 0, patience.epochs
    while True:
        with view.network.training(view.address.at("malicious", steps)):
            for _ in range(until - steps):
                step()
        steps, loss = until, goal.loss()
        if patience.threshold is None or goal.reached(loss, patience.threshold) or steps >= patience.step_cap:
            return steps, loss
        until = min(steps + patience.check_every, patience.step_cap)


def require_room(patience: Patience) -> None:
    """Check that the cap allows the first `epochs` steps.

    Raises:
        ValueError: it does not.
    """
    cap, epochs = patience.step_cap, patience.epochs
    if epochs > cap:
        raise ValueError(
            f"step_cap: {cap} is less than the {epochs} epochs, a step each; e.g. -o attack.step_cap={epochs}"
        )
