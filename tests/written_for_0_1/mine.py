# mine.py
from torch import Tensor
from fedlens import Attack, View


class Push(Attack):
    """Train honestly, then push against the last layer's bias for the true class."""

    push: float = 1.0

    def craft(self, view: View) -> Tensor:
        update = view.train()
        bias = view.network.layout.slices[-1]
        update[bias.start + view.auxiliary.true] -= self.push * self.factor(view.alpha)
        return update
