"""Do poisoned models' explanations differ more from benign models' than benign models' do from each other?

Even two benign models of different seeds explain the same samples differently. A defender who looks at explanations can
tell a poisoned model only if it is less like the benign models of other seeds than those are like one another. The
units are models, not pairs of them: all pairs of a model share its peculiarities.

- The difference is estimated by the median over seeds: for each, the mean similarity of its benign model to the other
  seeds' benign models, less that of its poisoned model to them. What is peculiar to the others cancels, so the seeds
  are almost independent. As they are not quite, the interval is the one that would cover 98 % if they were, which takes
  seven of them.
- The similarities themselves get a range and no interval: each seed's model is in the pairs of all others, and no
  interval that was tried covers where some models are odd (``tools/interval_coverage.py``).
- The test is a permutation test. If poisoning changed nothing, the two models of a seed could change places, so all 2^S
  swaps within seeds are equally likely; p is the share of them with at least the observed difference. Beyond 12 seeds
  swaps are drawn, and the observed one counts among them (B. Phipson and G. K. Smyth, *Permutation P-values Should
  Never Be Zero*, 2010).

If p is small, poisoning changed something, perhaps only that poisoned models are less like each other. So the verdict
is that a defender can tell them only if the difference, too, is above 0: its interval or, with five and six seeds, its
range. A larger p does not prove the contrary. To swap all seeds is to compare the poisoned models with each other, and
if an attack makes these at least as alike as the benign ones are, that difference is as large as the observed one: p is
2 / 2^S at best, which five seeds do not bring below 0.05. If it makes them far more alike, differences are as large
after swapping most seeds, too, and p stays larger even with many seeds.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedlens.analysis.intervals import Interval, estimate
from fedlens.core.random import Address

COVERAGE_OF_PAIRS = 0.98
"""The least coverage of the difference's interval if seeds were independent; dependence may cost five points."""
ALPHA = 0.05
LEAST_SEEDS = 5  # with fewer, 1 / 2^S is above that
EXACT_SEEDS = 12
SWAPS = 4096
ROUNDING = 1e-10


@dataclass(frozen=True)
class PermutationTest:
    """The similarity of models' explanations without and with an attack, and a test of the difference.

    Attributes:
        benign: the mean similarity of a benign model to those of the other seeds; ``None`` if there is but one seed.
        poisoned: the mean similarity of a poisoned model to the benign ones of the other seeds; likewise.
        same_seed: the similarity of a poisoned model to the benign one of its seed.
        difference: ``benign`` less ``poisoned``, seed by seed: above 0 if poisoned models stand out.
        p: the probability of at least this difference if poisoning changes nothing; ``None`` if there is but one seed.
        seeds: the number of seeds.
    """

    benign: Interval | None
    poisoned: Interval | None
    same_seed: Interval
    difference: Interval | None
    p: float | None
    seeds: int

    @property
    def verdict(self) -> Literal["can tell", "cannot tell", "too few seeds to tell"]:
        """Tell whether a defender can tell poisoned models: p is below 0.05 and the interval, or the range, above 0."""
        if self.seeds < LEAST_SEEDS or self.difference is None or self.p is None:
            return "too few seeds to tell"
        least = self.difference.range[0] if self.difference.low is None else self.difference.low
        return "can tell" if least > 0 and self.p < ALPHA else "cannot tell"


def permutation_test(likeness: ArrayLike) -> PermutationTest:
    """Compare the similarity of poisoned to benign models with that of benign models among themselves.

    The result does not depend on the order of the seeds. The difference's interval takes seven of them.

    Args:
        likeness: the mean similarity of every two models' explanations, shape ``[2, S, 2, S]``, finite. The first two
            indices are those of one model, 0 if benign and 1 if poisoned, and its seed; the others those of the other.
            If seeds have samples of their own, such as target samples, those of the first model's seed count.

    Raises:
        ValueError: the shape is wrong, there is no seed, or an entry is not finite.
    """
    models = np.asarray(likeness, dtype=np.float64)
    seeds = models.shape[1] if models.ndim == 4 else 0
    if not seeds or models.shape != (2, seeds, 2, seeds):
        raise ValueError(f"expected similarities of models, [2, S, 2, S], not {models.shape}")
    if not np.isfinite(models).all():
        raise ValueError("likeness: all similarities must be finite")
    pairs, same_seed = models[:, :, 0], estimate(np.diagonal(models[1, :, 0]), range(seeds))
    if seeds == 1:
        return PermutationTest(None, None, same_seed, None, None, seeds)
    means = by_seed(pairs)
    benign, poisoned = (estimate(similarities, range(seeds), coverage=None) for similarities in means)
    difference = estimate(means[0] - means[1], range(seeds), coverage=COVERAGE_OF_PAIRS)
    return PermutationTest(benign, poisoned, same_seed, difference, _p(models), seeds)


def by_seed(pairs: NDArray[Any]) -> NDArray[Any]:
    """Average each seed's similarities (a row) with the other seeds, from ``[..., S, S]`` to ``[..., S]``."""
    seeds = pairs.shape[-1]
    means: NDArray[Any] = (pairs * (1 - np.eye(seeds))).sum(axis=-1) / (seeds - 1)
    return means


def _p(models: NDArray[Any]) -> float:
    """Return the share of swaps, all or drawn ones, with at least the difference of the first, which swaps nothing."""
    seeds = models.shape[1]
    if seeds <= EXACT_SEEDS:
        swapped = np.arange(2**seeds)[:, None] >> np.arange(seeds) & 1
    else:
        generator = Address.root(0).at("contrast", "swaps").generator()
        swapped = generator.integers(0, 2, size=(SWAPS, seeds))
        swapped[0] = 0
    differences = _differences(models, swapped)
    observed = differences[0] - ROUNDING * np.abs(models).max()  # equal differences may differ by rounding
    return float(np.mean(differences >= observed))


def _differences(models: NDArray[Any], swapped: NDArray[Any]) -> NDArray[Any]:
    """Return the difference of mean similarities under each row of swaps; 1 is a seed whose models change places."""
    seeds = models.shape[1]
    of_other_seeds = (models * (1 - np.eye(seeds))[:, None, :]).reshape(2 * seeds, 2 * seeds)
    benign = np.concatenate([1 - swapped, swapped], axis=1).astype(np.float64)
    poisoned = 1 - benign
    differences: NDArray[Any] = (((benign - poisoned) @ of_other_seeds) * benign).sum(axis=1) / (seeds * (seeds - 1))
    return differences
