"""How many distinct inputs a trigger leaves: one that replaces the whole input leaves a single one."""

from fedlens.data.dataset import Samples
from fedlens.goals.goal import NOTHING, Goal
from fedlens.goals.malicious_samples import changed_inputs, wanted_classes
from fedlens.models.evaluation import blocks

FEW = 0.1
"""Of inputs that were distinct, a trigger that leaves at most this share replaces nearly all that tells them apart."""


def few_distinct(goal: Goal, samples: Samples, classes: int) -> int | None:
    """Count the distinct inputs among those of which the goal wants something, as it changes them.

    Args:
        goal: fitted to the data.
        samples: the test samples.
        classes: how many classes there are.

    Returns:
        ``None`` if there are more than the share `FEW` of the distinct ones before.
    """
    asked = wanted_classes(goal, samples.y, classes) != NOTHING
    before, after = set[bytes](), set[bytes]()
    for block in blocks(0, len(samples.y)):
        inputs = samples.x[block][asked[block]]
        for found, x in ((before, inputs), (after, changed_inputs(goal, inputs) if len(inputs) else inputs)):
            found |= {row.tobytes() for row in x.flatten(1).cpu().numpy()}
    return len(after) if len(after) <= FEW * len(before) else None
