"""The paper's attack on its data sets: which class it draws the target from, what for, and when training stops.

Bhagoji et al. (ICML 2019), section 3.1: on Fashion-MNIST a sandal is to be taken for a sneaker; on the Adult data,
whoever earns more than 50K is to be taken for somebody who earns less. What is said here are defaults: an experiment
chooses other classes by ``target.source`` and ``target.target``, and another end by ``stop_at_accuracy``.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedlens.data.adult import Adult
from fedlens.data.dataset import Data, Dataset
from fedlens.data.digits import Digits
from fedlens.data.fashion_mnist import FashionMnist


@dataclass(frozen=True)
class PaperAttack:
    """The classes of the paper's target, and the accuracy at which the paper stops.

    Attributes:
        source: true class of the target.
        target: class that the attacker wants for it.
        stop: test accuracy (a fraction) at which training stops; ``None`` where the paper says none.
    """

    source: int
    target: int
    stop: float | None = None


_OF_DATA: dict[type[Data], PaperAttack] = {
    FashionMnist: PaperAttack(source=5, target=7, stop=0.91),
    Adult: PaperAttack(source=0, target=1, stop=0.84),
    Digits: PaperAttack(source=5, target=7),
}


def paper_attack(data: Data, dataset: Dataset) -> PaperAttack:
    """Return the attack on these data by default: the paper's, or from the first class to the second.

    Args:
        data: the description.
        dataset: what it loaded; a `source`, `target` or `paper_stop` of its own is preferred.

    Example:
        >>> from fedlens.data import Digits
        >>> from fedlens.goals.paper_attack import paper_attack
        >>> paper_attack(Digits(), Digits().load())
        PaperAttack(source=5, target=7, stop=None)
    """
    known = next((attack for kind, attack in _OF_DATA.items() if isinstance(data, kind)), PaperAttack(0, 1))
    if max(known.source, known.target) >= len(dataset.classes):  # a derived class has other classes
        known = PaperAttack(0, 1)
    source, target = dataset.source, dataset.target
    if source is None:
        source = known.source if target != known.source else known.target
    if target is None:
        target = known.target if source != known.target else known.source
    return PaperAttack(source, target, known.stop if dataset.paper_stop is None else dataset.paper_stop)
