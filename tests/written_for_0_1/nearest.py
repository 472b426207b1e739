import torch
from pydantic import PositiveInt

from fedlens import Aggregate, Received, Rule


class Nearest(Rule):
    """The mean of the updates nearest to the coordinate-wise median.

    Attributes:
        keep: how many updates to average.
    """

    keep: PositiveInt = 5

    @property
    def minimum(self) -> int:
        """The least number of updates."""
        return self.keep

    def aggregate(self, received: Received) -> Aggregate:
        """See `Rule.aggregate`."""
        centre = received.updates.quantile(0.5, dim=0)
        nearest = (received.updates - centre).norm(dim=1).argsort()[: self.keep]
        shares = torch.zeros_like(received.alpha)
        shares[nearest] = 1 / self.keep
        return Aggregate(shares.to(received.updates) @ received.updates, shares)
