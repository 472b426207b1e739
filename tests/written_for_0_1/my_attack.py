"""An attack of my own."""

from torch import Tensor

from fedlens import Attack, View


class MyAttack(Attack):
    """Train honestly, then push against the last layer's bias for the target's true class.

    Attributes:
        push: how far.
    """

    push: float = 1.0

    def craft(self, view: View) -> Tensor:
        """The update to send, shape ``[d]``; `view` holds all that the malicious client knows."""
        update = view.train()
        bias = view.network.layout.slices[-1]
        update[bias.start + view.auxiliary.true] -= self.push * self.factor(view.alpha)
        return update
