import re
from typing import Any

import numpy as np
import pytest
import torch
from small import Convolutions, small
from test_stacked import compare, samples
from torch import Tensor

from fedlens.attacks.attack import Attack, View
from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.core.random import Address
from fedlens.data.dataset import Dataset, Samples
from fedlens.experiment.experiment import Experiment
from fedlens.models.cnn import TinyCnn
from fedlens.models.network import Network, build
from fedlens.simulation.simulation import simulate
from fedlens.training.augmentation import Augmenter, Crop, Flip
from fedlens.training.local import LocalTraining, batches

ADDRESS = Address.root(3).at("client", 1, 2)


def images(count: int = 40) -> Tensor:
    return torch.arange(1.0, count * 2 * 3 * 4 + 1).view(count, 2, 3, 4)


def test_flips_mirror_each_image_or_leave_it() -> None:
    x = images()
    flipped = Flip(share=0.5).apply(x, np.random.default_rng(0))
    mirrored = [torch.equal(new, old.flip(2)) for new, old in zip(flipped, x, strict=True)]
    alike = [torch.equal(new, old) for new, old in zip(flipped, x, strict=True)]
    assert all(one != other for one, other in zip(mirrored, alike, strict=True))
    assert 8 < sum(mirrored) < 32
    assert torch.equal(Flip(share=1).apply(x, np.random.default_rng(0)), x.flip(3))


def test_crops_are_windows_of_the_padded_image() -> None:
    x = images()
    cropped = Crop(padding=2).apply(x, np.random.default_rng(1))
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2))
    seen = set()
    for new, old in zip(cropped, padded, strict=True):
        found = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(new, old[:, top : top + 3, left : left + 4])
        ]
        assert len(found) == 1
        seen |= set(found)
    assert len(seen) > 10


def test_they_change_a_batch_in_their_order_by_the_address() -> None:
    x = images()
    generator = ADDRESS.at("augmentation").generator()
    expected = [Crop(padding=1).apply(Flip().apply(part, generator), generator) for part in (x[:25], x[25:])]
    augmented = Augmenter(("flip", Crop(padding=1)), ADDRESS)
    assert torch.equal(augmented(x[:25]), expected[0])
    assert torch.equal(augmented(x[25:]), expected[1])
    assert not torch.equal(Augmenter(("flip",), ADDRESS.at("other"))(x), Augmenter(("flip",), ADDRESS)(x))


def test_batches_are_augmented_with_their_labels_and_samples_left_alone() -> None:
    x = images(10)
    pool = Samples(x.clone(), torch.arange(10))
    plan = LocalTraining.model_validate({"epochs": 2, "batch_size": 4, "augmentation": {"name": "flip", "share": 1}})
    plain = plan.model_copy(update={"augmentation": ()})
    for batch, other in zip(batches(pool, plan, ADDRESS), batches(pool, plain, ADDRESS), strict=True):
        assert torch.equal(batch.x, other.x.flip(3))
        assert torch.equal(batch.y, other.y)
    assert torch.equal(pool.x, x)


@pytest.mark.parametrize("augmentation", ["flip", ["flip", {"name": "crop", "padding": 2}]], ids=str)
def test_clients_side_by_side_see_what_they_would_alone(augmentation: Any) -> None:
    network = Network(build(TinyCnn(), (1, 12, 12), 3, Address.root(8)).double())
    plan = LocalTraining.model_validate({"epochs": 2, "batch_size": 8, "augmentation": augmentation})
    compare(network, samples(1, 12, 12), plan)


def federated(augmentation: Any, engine: Any = "serial", workers: int | None = None, **changes: Any) -> list[Any]:
    local = {"epochs": 1, "batch_size": 50, "augmentation": augmentation}
    experiment = small(local=local, model=Convolutions(), rounds=1, **changes)
    return list(simulate(experiment, engine=engine, workers=workers))


def test_engines_give_the_same_bits() -> None:
    one, other = (
        federated(["flip", "crop"], engine, workers, attack=None)
        for engine, workers in (("serial", 1), ("processes", 2))
    )
    assert torch.equal(one[0].state.weights, other[0].state.weights)
    assert not torch.equal(one[0].state.weights, federated([], attack=None)[0].state.weights)


class Watches(Attack):
    """Says what it is given."""

    def craft(self, view: View) -> Tensor:
        changed = next(batches(view.shard, view.local, view.address))
        view.log.update(
            target=float(view.auxiliary.x.double().sum()),
            shard=float(view.shard.x.double().square().sum()),
            batch=float(changed.x.double().sum()),
        )
        return view.train()


def test_target_samples_and_shards_are_as_they_were() -> None:
    crop = {"name": "crop", "padding": 4}
    one, other = (federated(changes, attack=Watches())[0].record.malicious.attack.log for changes in ([], crop))
    assert (one["target"], one["shard"]) == (other["target"], other["shard"])
    assert one["batch"] != other["batch"]


def test_triggers_are_stamped_before_batches_are_changed() -> None:
    """Poisoned samples lie in the shard, so that crops move their triggers too."""
    pool = Samples(torch.zeros(6, 1, 8, 8), torch.zeros(6, dtype=torch.int64))
    stamped = Samples(pool.x.index_fill(3, torch.tensor([7]), 1.0), pool.y + 1)
    plan = LocalTraining.model_validate({"epochs": 1, "augmentation": {"name": "flip", "share": 1}})
    both = Samples(torch.cat([pool.x, stamped.x]), torch.cat([pool.y, stamped.y]))
    [batch] = batches(both, plan, ADDRESS)
    assert batch.x[batch.y == 1][:, 0, :, 0].eq(1).all()
    assert batch.x[batch.y == 1][:, 0, :, 7].eq(0).all()


def test_records_are_no_images() -> None:
    plan = LocalTraining.model_validate({"augmentation": "flip"})
    some = Samples(torch.zeros(2, 104), torch.tensor([0, 1]))
    with pytest.raises(ConfigError, match=re.escape("is for images, and these inputs have the shape (104,)")):
        plan.fitted(Dataset(some, some, ("a", "b"), 0, 1))


def test_what_is_written_and_told() -> None:
    plan = LocalTraining.model_validate({"augmentation": ["flip", {"name": "crop", "padding": 2}]})
    assert plan.augmentation == ("flip", Crop(padding=2))
    assert plan.described("augmentation") == ["flip", {"name": "crop", "padding": 2}]
    assert LocalTraining.model_validate({"augmentation": "none"}) == LocalTraining()
    assert "augmentation" not in Experiment().relevant()["local"]
    with pytest.raises(ConfigError, match="'flip' or 'crop' is needed, not 'spin'"):
        validate(LocalTraining, {"augmentation": ["spin"]}, "local")
