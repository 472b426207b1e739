"""Runs to be explained, made once: of several seeds, with and without the weights of every round."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
import torch
from small import Convolutions, small

import fedlens
from fedlens.data.dataset import Data, Dataset, Samples


class Clouds(Data):
    """Somebody's own data, of any shape: clouds around as many points as there are classes."""

    shape: tuple[int, ...]

    def load(self, directory: Path | None = None) -> Dataset:
        generator = torch.Generator().manual_seed(1)
        centres = torch.rand(3, *self.shape, generator=generator)

        def draw(count: int) -> Samples:
            y = torch.arange(count) % 3
            return Samples(centres[y] + 0.1 * torch.randn(count, *self.shape, generator=generator), y)

        return Dataset(draw(240), draw(60), ("a", "b", "c"))


@dataclass(frozen=True)
class Explained:
    """Makes runs in `folder`, each when it is first asked for; their twins are in the cache there."""

    folder: Path

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @cached_property
    def kept(self) -> list[fedlens.Run]:
        """Two seeds that kept their weights; of the first, the malicious client is not in every round."""
        return [self._run(f"kept{seed}", keep_weights=True, seed=seed, fraction=0.5, rounds=4) for seed in (0, 1)]

    @cached_property
    def plain(self) -> fedlens.Run:
        """As these, of another seed, without weights."""
        return self._run("plain", seed=2, fraction=0.5, rounds=4)

    @cached_property
    def several(self) -> fedlens.Run:
        """An attack on three samples, each wanted as a class of its own, with the server's own samples."""
        return self._run("several", rounds=2, target={"r": 3, "select": "random"}, checks=["accuracy"], validation=100)

    @cached_property
    def honest(self) -> fedlens.Run:
        """A run without attack."""
        return self._run("honest", rounds=2, seed=5, attack=None, control=False)

    @cached_property
    def census(self) -> fedlens.Run:
        """An attack on records."""
        local = {"steps": 5, "batch_size": 50}
        return self._run("census", data="adult", model="census-mlp", rounds=1, local=local, attack="explicit-boosting")

    def own(self, *shape: int) -> fedlens.Run:
        """An attack on data of this shape."""
        name = "x".join(map(str, shape))
        return self._run(name, data=Clouds(shape=shape), model="census-mlp", rounds=1, seed=6)

    def _run(self, name: str, keep_weights: bool = False, **changes: object) -> fedlens.Run:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("FEDLENS_CACHE", str(self.cache))
            experiment = small(**{"control": True, "model": Convolutions()} | changes)
            return fedlens.run(experiment, self.folder / name, engine="serial", keep_weights=keep_weights)
