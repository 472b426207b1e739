"""A model that has become useless: it tells a target's misclassification no better than any other."""

from fedlens.analysis.percent import percent
from fedlens.runs.record import RoundRecord
from fedlens.runs.record_values import mean

LOST = 0.5
"""A model with less than this share of the benign twin's accuracy is useless."""
ABOVE_CHANCE = 0.05
"""So is one whose accuracy, averaged over classes, is at most this far above chance, or half of chance if that is less.

Averaged over classes, whoever always says the same is right in one of k classes, however frequent that is. With ten
classes, 15 % are the bound, 1.5 times chance; with two they are 55 %, for 75 % would condemn sound models.
"""


def useless(record: RoundRecord) -> str | None:
    """Say why a round's model is useless, in words; ``None`` where it is not."""
    quality, twin = record.quality, record.twin
    if quality.accuracy is None:  # of a regression, nothing is misclassified
        return None
    against = f" against {percent(twin.quality.share)} without attack" if twin else ""
    if twin and quality.accuracy < LOST * twin.quality.share:
        return f"accuracy {percent(quality.accuracy)}{against}"
    classes = [accuracy for accuracy in quality.per_class if accuracy is not None]
    if len(classes) < 2:
        return None
    chance = 1 / len(classes)
    if mean(classes) > chance + min(ABOVE_CHANCE, chance / 2):
        return None
    average = f"{percent(mean(classes))} averaged over the classes, where chance is {percent(chance)}"
    return f"accuracy {percent(quality.accuracy)}{against}, and {average}"
