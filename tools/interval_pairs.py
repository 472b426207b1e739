"""Similarities of benign and poisoned models of several seeds, made up, whose population is known.

Similarities are sums of what either model has of its own and of noise, squashed to 0 to 1; or cosines of maps that all
models have something of in common. Poisoning makes a model less like all others: as much for every seed, or for each by
another amount, or only for some.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Draw = Callable[[np.random.Generator, int, int], tuple[Array, Array]]
"""From a generator, the number of studies and of seeds to the similarities of benign models among each other, and of
poisoned (rows) and benign ones, ``[studies, seeds, seeds]`` each; the diagonal means nothing."""
COMMON = np.random.default_rng(0).normal(size=40)


Draws = Callable[[np.random.Generator, tuple[int, ...]], Array]
"""Numbers of a shape."""
EFFECTS: dict[str, Draws] = {
    "normal": lambda generator, shape: generator.normal(size=shape),
    "some odd": lambda generator, shape: -generator.lognormal(size=shape),
}
"""What models have of their own."""
DAMAGE: dict[str, Draws] = {
    "same": lambda _, shape: np.full(shape, 0.8),
    "skewed": lambda generator, shape: 1.5 * generator.exponential(size=shape),
    "some": lambda generator, shape: 3.0 * (generator.random(shape) < 0.3),
}
"""What poisoning takes from them."""


def _sums(
    effect: Draws, damage: Draws, generator: np.random.Generator, studies: int, seeds: int
) -> tuple[Array, Array]:
    own = effect(generator, (studies, 1, seeds)) + 0.3 * effect(generator, (studies, 2, seeds))
    benign, poisoned = own[:, 0], own[:, 1] - damage(generator, (studies, seeds))
    noise = generator.normal(size=(2, studies, seeds, seeds))
    symmetric = (noise[0] + noise[0].transpose(0, 2, 1)) / np.sqrt(2)
    sums = (
        benign[:, :, None] + benign[:, None] + 0.3 * symmetric,
        poisoned[:, :, None] + benign[:, None] + 0.3 * noise[1],
    )
    first, second = (1 / (1 + np.exp(-(each + 1) / 2)) for each in sums)
    return first, second


def _maps(damage: Draws, generator: np.random.Generator, studies: int, seeds: int) -> tuple[Array, Array]:
    shape = (studies, seeds, len(COMMON))
    of_seed = COMMON + 0.5 * generator.normal(size=shape)
    benign, poisoned = of_seed + generator.normal(size=shape), of_seed + generator.normal(size=shape)
    poisoned += damage(generator, (studies, seeds, 1)) * generator.normal(size=shape)
    first, second = (maps / np.linalg.norm(maps, axis=2, keepdims=True) for maps in (benign, poisoned))
    return first @ first.transpose(0, 2, 1), second @ first.transpose(0, 2, 1)


PAIRS: dict[str, Draw] = {
    **{f"{e}, {d}": partial(_sums, EFFECTS[e], DAMAGE[d]) for e in EFFECTS for d in DAMAGE},
    **{f"maps, {damage}": partial(_maps, DAMAGE[damage]) for damage in ("same", "skewed")},
}
