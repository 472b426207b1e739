"""Do poisoned models' explanations differ more from benign models' than benign models' do from each other?

Two benign models of different seeds explain the same samples differently already. A defender who looks at explanations
can tell a poisoned model only if it is less like the benign models of other seeds than those are like one another. The
models are the units, not their pairs: all pairs of a model share its peculiarities.

- Intervals resample seeds with replacement and keep the pairs of those drawn (T. A. B. Snijders and S. P. Borgatti,
  *Non-parametric standard errors and tests for network statistics*, Connections 22(2), 1999), from the 2.5th to the
  97.5th percentile. A seed drawn several times would be paired with itself; there they put pairs drawn at random, here
  such pairs are left out, and with them resamples of one seed only. With few seeds such intervals are too narrow.
- The test is a randomisation test. If poisoning changed nothing, the two models of a seed could change places, so all
  2^S swaps within seeds are equally likely; p is the share of them whose difference is at least the observed one's.
  Beyond 12 seeds swaps are drawn, and what was observed counts as one of them (B. Phipson and G. K. Smyth,
  *Permutation P-values Should Never Be Zero*, 2010).

If p is small, poisoning changed something; if it is not, that need not mean the contrary. To swap all seeds is to
compare the poisoned models with each other, and where an attack makes these at least as alike as the benign ones are,
that difference is as large as the observed one: p is 2 / 2^S at best, which five seeds do not bring below 0.05. Where
it makes them more alike by far, so are differences after swapping most seeds, and p stays larger for many seeds.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedlens.random import Address
from fedlens.statistics import RESAMPLES, Interval, bootstrap

ALPHA = 0.05
LEAST_SEEDS = 5  # with fewer, 1 / 2^S is above that
EXACT_SEEDS = 12
SWAPS = 4096
ROUNDING = 1e-10


@dataclass(frozen=True)
class Contrast:
    """How alike explanations of models are, without and with an attack.

    Attributes:
        benign: the mean similarity of two benign models of different seeds; ``None`` where there is but one seed.
        poisoned: the mean similarity of a poisoned and a benign model of different seeds; likewise.
        same_seed: the mean similarity of a poisoned model and the benign one of its seed.
        difference: `benign` less `poisoned`: above 0 where poisoned models stand out.
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
        """Whether a defender can tell poisoned models by this similarity: the interval is above 0, and p below 0.05."""
        if self.seeds < LEAST_SEEDS or self.difference is None or self.difference.low is None or self.p is None:
            return "too few seeds to tell"
        return "can tell" if self.difference.low > 0 and self.p < ALPHA else "cannot tell"


def contrast(likeness: ArrayLike) -> Contrast:
    """Compare poisoned and benign models' similarity with that of benign models among themselves.

    The same similarities give the same result. Intervals need three seeds.

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
    pairs, twins = models[:, :, 0], np.diagonal(models[1, :, 0])
    same_seed = bootstrap(twins, np.arange(seeds)) if seeds > 2 else Interval(float(np.mean(twins)), None, None)
    if seeds == 1:
        return Contrast(None, None, same_seed, None, None, seeds)
    benign, poisoned, difference = (_between(some) for some in (pairs[0], pairs[1], pairs[0] - pairs[1]))
    return Contrast(benign, poisoned, same_seed, difference, _p(models), seeds)


def _between(pairs: NDArray[Any]) -> Interval:
    """The mean over pairs of different seeds, of a matrix of all pairs; and its interval."""
    seeds = len(pairs)
    mean = float(_weighted(pairs, np.ones((1, seeds)))[0])
    if seeds == 2:
        return Interval(mean, None, None)
    return Interval.of(mean, _weighted(pairs, _counts(seeds)))


@lru_cache(maxsize=16)
def _counts(seeds: int) -> NDArray[Any]:
    """How often each resample has each seed, a row for each that has more than one."""
    generator = Address.root(0).at("contrast", "bootstrap").generator()
    drawn = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES)
    counts: NDArray[Any] = drawn[drawn.max(axis=1) < seeds].astype(np.float64)
    counts.setflags(write=False)
    return counts


def _weighted(pairs: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
    """The mean over pairs of different seeds if each seed is there so many times, for each row of counts."""
    apart = 1 - np.eye(len(pairs))
    means: NDArray[Any] = ((counts @ (pairs * apart)) * counts).sum(axis=1) / ((counts @ apart) * counts).sum(axis=1)
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
