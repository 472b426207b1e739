"""Do poisoned models' explanations differ more from benign models' than benign models' do from each other?

Two benign models of different seeds explain the same samples differently already. A defender who looks at explanations
can tell a poisoned model only if it is less like the benign models of other seeds than those are like one another. The
models are the units, not their pairs: all pairs of a model share its peculiarities.

- The difference is estimated by the median over seeds: of each, how alike its benign model is to the other seeds'
  benign ones on average, less how alike its poisoned model is to these. What is peculiar to the others drops out, so
  the seeds are almost independent. Because they are not quite, the interval is the one that would cover 98 % if they
  were, which takes seven of them.
- Of the similarities themselves there is a range and no interval: each seed's model is in the pairs of all others, and
  no interval that was tried covers where some models are odd (``tools/interval_coverage.py``).
- The test is a randomisation test. If poisoning changed nothing, the two models of a seed could change places, so all
  2^S swaps within seeds are equally likely; p is the share of them whose difference is at least the observed one's.
  Beyond 12 seeds swaps are drawn, and what was observed counts as one of them (B. Phipson and G. K. Smyth,
  *Permutation P-values Should Never Be Zero*, 2010).

If p is small, poisoning changed something, be it that poisoned models are less like each other. So a defender is said
to tell them only if the difference is above 0 as well: its interval or, of five and six seeds, their range. If p is not
small, that need not mean the contrary. To swap all seeds is to compare the poisoned models with each other, and where
an attack makes these at least as alike as the benign ones are, that difference is as large as the observed one: p is
2 / 2^S at best, which five seeds do not bring below 0.05. Where it makes them more alike by far, so are differences
after swapping most seeds, and p stays larger for many seeds.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedlens.analysis.intervals import Interval, estimate
from fedlens.core.random import Address

COVERAGE_OF_PAIRS = 0.98
"""What the interval of the difference would cover at least if seeds were independent; it may lose five points."""
ALPHA = 0.05
LEAST_SEEDS = 5  # with fewer, 1 / 2^S is above that
EXACT_SEEDS = 12
SWAPS = 4096
ROUNDING = 1e-10


@dataclass(frozen=True)
class Contrast:
    """How alike explanations of models are, without and with an attack.

    Attributes:
        benign: the mean similarity of a benign model and those of the other seeds; ``None`` if there is but one seed.
        poisoned: the mean similarity of a poisoned model and the benign ones of the other seeds; likewise.
        same_seed: the similarity of a poisoned model and the benign one of its seed.
        difference: how much less alike a seed's poisoned model is than its benign one: above 0 where it stands out.
        p: how probable at least this difference is if poisoning changes nothing; ``None`` where there is but one seed.
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
        """Whether a defender can tell poisoned models: p is below 0.05, and the interval, or the range, above 0."""
        if self.seeds < LEAST_SEEDS or self.difference is None or self.p is None:
            return "too few seeds to tell"
        least = self.difference.range[0] if self.difference.low is None else self.difference.low
        return "can tell" if least > 0 and self.p < ALPHA else "cannot tell"


def contrast(likeness: ArrayLike) -> Contrast:
    """Compare poisoned and benign models' similarity with that of benign models among themselves.

    The same similarities give the same result, in whatever order the seeds are. The difference's interval takes seven.

    Args:
        likeness: the mean similarity of every two models' explanations, shape ``[2, S, 2, S]``: first 0 for the benign
            model and 1 for the poisoned one, then its seed, and the same of the other model; finite. Where each seed
            has samples of its own, such as the attack's targets, they are those of the first model's.

    Raises:
        ValueError: the shape is another, there is no seed, or an entry is not finite.
    """
    models = np.asarray(likeness, dtype=np.float64)
    seeds = models.shape[1] if models.ndim == 4 else 0
    if not seeds or models.shape != (2, seeds, 2, seeds):
        raise ValueError(f"expected similarities of models, [2, S, 2, S], not {models.shape}")
    if not np.isfinite(models).all():
        raise ValueError("likeness: all similarities must be finite")
    pairs, same_seed = models[:, :, 0], estimate(np.diagonal(models[1, :, 0]), range(seeds))
    if seeds == 1:
        return Contrast(None, None, same_seed, None, None, seeds)
    means = by_seed(pairs)
    benign, poisoned = (estimate(some, range(seeds), coverage=None) for some in means)
    difference = estimate(means[0] - means[1], range(seeds), coverage=COVERAGE_OF_PAIRS)
    return Contrast(benign, poisoned, same_seed, difference, _p(models), seeds)


def by_seed(pairs: NDArray[Any]) -> NDArray[Any]:
    """Average each seed's similarities (a row) with the other seeds, from ``[..., S, S]`` to ``[..., S]``."""
    seeds = pairs.shape[-1]
    means: NDArray[Any] = (pairs * (1 - np.eye(seeds))).sum(axis=-1) / (seeds - 1)
    return means


def _p(models: NDArray[Any]) -> float:
    """The share of swaps, all or drawn ones, with at least the difference of no swap, which is the first of them."""
    seeds = models.shape[1]
    if seeds <= EXACT_SEEDS:
        swapped = np.arange(2**seeds)[:, None] >> np.arange(seeds) & 1
    else:
        generator = Address.root(0).at("contrast", "swaps").generator()
        swapped = generator.integers(0, 2, size=(SWAPS, seeds))
        swapped[0] = 0
    found = _differences(models, swapped)
    least = found[0] - ROUNDING * np.abs(models).max()  # equal differences need not be equal as they are added up
    return float(np.mean(found >= least))


def _differences(models: NDArray[Any], swapped: NDArray[Any]) -> NDArray[Any]:
    """The difference of mean similarities under each row of swaps, of 1 for a seed whose models change places."""
    seeds = models.shape[1]
    apart = (models * (1 - np.eye(seeds))[:, None, :]).reshape(2 * seeds, 2 * seeds)
    benign = np.concatenate([1 - swapped, swapped], axis=1).astype(np.float64)
    poisoned = 1 - benign
    differences: NDArray[Any] = (((benign - poisoned) @ apart) * benign).sum(axis=1) / (seeds * (seeds - 1))
    return differences
