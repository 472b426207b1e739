from torch import Tensor

from fedlens import Attack, View


class Aim(Attack):
    """Train honestly, then take steps towards the targets, and boost only these."""

    steps: int = 5

    def craft(self, view: View) -> Tensor:
        honest = view.train()
        start = view.weights + honest
        view.network.load(start)
        optimizer = view.local.new_optimizer(view.network)
        for _ in range(self.steps):
            view.network.backward(view.auxiliary.x, view.auxiliary.target)
            optimizer.step()
        return honest + self.factor(view.alpha) * (view.network.vector.detach() - start)
