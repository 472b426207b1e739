"""A server-side check of my own."""

from pydantic import PositiveFloat

from fedlens import Detector, Inspection, Verdict


class MyCheck(Detector):
    """Suspect updates that are much longer than the median one.

    Attributes:
        times: an update is suspected if it is longer than so many times the median length.
    """

    times: PositiveFloat = 3.0

    def inspect(self, seen: Inspection) -> Verdict:
        """A score for each client, the higher the more suspicious, and whom to suspect; shape ``[n]`` each."""
        lengths = seen.updates.norm(dim=1).double()
        scores = lengths / lengths.median()
        return Verdict(scores, scores > self.times, {"length": lengths.tolist()})
