from dataclasses import replace
from typing import Any

import pytest
import torch

from fedlens.core.errors import ConfigError
from fedlens.data.dataset import Dataset, Samples
from fedlens.data.digits import Digits
from fedlens.goals.backdoor import Backdoor
from fedlens.goals.pixel_patch import PixelPatch
from fedlens.goals.trained_patch import TrainedPatch

COLOURED = Samples(torch.linspace(-1, 3, 6 * 2 * 4 * 5).reshape(6, 2, 4, 5), torch.arange(6) % 3)
DATA = Dataset(COLOURED, COLOURED, ("a", "b", "c"))


def patch(**options: Any) -> TrainedPatch:
    return TrainedPatch(size=2, place=(1, 3), **options).fitted(Digits(), DATA)


def test_untrained_it_is_a_patch_of_one_value() -> None:
    plain = PixelPatch(size=2, place=(1, 3), value=0.5)
    assert torch.equal(patch().stamp(COLOURED.x), plain.stamp(COLOURED.x))


def test_the_patch_of_the_paper() -> None:
    """5 × 5 pixels of 0.5 from the third row and column on."""
    expected = torch.zeros(1, 1, 9, 9)
    expected[:, :, 2:7, 2:7] = 0.5
    assert torch.equal(TrainedPatch().stamp(torch.zeros(1, 1, 9, 9)), expected)


@pytest.mark.parametrize(("size", "side"), [((4, 5), 1), ((9, 12), 2), ((2, 2), 1)])
def test_the_remedy_for_a_patch_that_is_too_large_fits(size: tuple[int, int], side: int) -> None:
    samples = Samples(torch.rand(2, 1, *size), torch.arange(2))
    small = Dataset(samples, samples, ("a", "b"))
    with pytest.raises(ConfigError) as caught:
        TrainedPatch(size=13).fitted(Digits(), small)
    assert str(caught.value).endswith(f"e.g. -o goal.trigger.size={side} -o 'goal.trigger.place=[0, 0]'")
    TrainedPatch(size=side, place=(0, 0)).fitted(Digits(), small)


def test_each_pixel_of_each_channel_has_a_value_of_its_own() -> None:
    pixels = torch.arange(8.0).reshape(2, 2, 2)
    trained = patch().trained({"trigger": pixels})
    stamped = trained.stamp(COLOURED.x)
    assert torch.equal(stamped[:, :, 1:3, 3:5], pixels.expand(6, 2, 2, 2))
    outside = torch.ones(4, 5, dtype=torch.bool)
    outside[1:3, 3:5] = False
    assert torch.equal(stamped[:, :, outside], COLOURED.x[:, :, outside])
    assert torch.equal(trained.stamp(stamped), stamped)
    assert torch.equal(trained.pixels(COLOURED.x), pixels)
    assert trained == patch(pattern=tuple(range(8)))


def test_without_the_key_nothing_is_trained() -> None:
    assert patch().trained({"other": torch.zeros(3)}) == patch()
    goal = Backdoor(trigger=patch(), target=1)
    assert goal.trained({"trigger": torch.zeros(2, 2, 2)}).trigger == patch(pattern=(0,) * 8)
    fixed = Backdoor(trigger=PixelPatch(value=1), target=1)
    assert fixed.trained({"trigger": torch.zeros(2, 2, 2)}) is fixed
    assert (goal.trains, fixed.trains) == (True, False)


def test_the_gradient_is_that_of_the_pixels() -> None:
    """Of the sum of all inputs: one for each of six samples."""
    pixels = torch.zeros(2, 2, 2, requires_grad=True)
    patch().put(COLOURED.x, pixels).sum().backward()  # type: ignore[no-untyped-call]
    assert pixels.grad is not None
    assert bool((pixels.grad == 6).all())


def test_pixels_stay_in_the_range_of_the_inputs_or_in_one_that_is_given() -> None:
    assert patch().clamped(torch.tensor([-2.0, 0, 4])).tolist() == [-1, 0, 3]
    assert patch(low=0, high=1).clamped(torch.tensor([-2.0, 0.5, 4])).tolist() == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 3}, "does not fit into 4×5"),
        ({"place": (3, 0)}, "does not fit into 4×5"),
        ({"pattern": (1, 2, 3)}, "has 3 values for 8 pixels in all channels"),
        ({"pattern": (0,) * 12, "size": 3, "place": (0, 0)}, "has 12 values for 18 pixels in all channels"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any], words: str) -> None:
    trigger = TrainedPatch(**{"size": 2, "place": (1, 3), **options})
    with pytest.raises(ConfigError, match=words):
        trigger.fitted(Digits(), DATA)
    tokens = Samples(COLOURED.x.long(), COLOURED.y)
    with pytest.raises(ConfigError, match="tokens"):
        patch().fitted(Digits(), replace(DATA, train=tokens))
