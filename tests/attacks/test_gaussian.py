"""Gaussian noise: its moments, whose data it depends on, its length, and what falls to it."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from attacker import ADDRESS, deep, look
from teams import clean_accuracy, final_accuracy, with_buffers

from fedlens.attacks.attack import Attack
from fedlens.attacks.free_rider import FreeRider
from fedlens.attacks.gaussian import Gaussian, noise
from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.data.dataset import Samples


def test_moments() -> None:
    drawn = noise(200_000, 3.0, ADDRESS)
    assert float(drawn.mean()) == pytest.approx(0, abs=0.05)
    assert float(drawn.square().mean()) == pytest.approx(9, rel=0.02)
    assert float(drawn.pow(4).mean()) == pytest.approx(3 * 81, rel=0.05), "of the normal distribution"
    assert torch.equal(drawn, 3 * noise(200_000, 1.0, ADDRESS))


def test_alone_it_depends_on_nobodys_data_but_on_client_and_round() -> None:
    view = look()
    other = replace(look(), shard=Samples(torch.ones(2, 4), torch.zeros(2, dtype=torch.int64)))
    assert torch.equal(Gaussian().craft(view), Gaussian().craft(other))
    elsewhere = replace(look(), address=ADDRESS.at("another"))
    assert not torch.equal(Gaussian().craft(view), Gaussian().craft(elsewhere))
    assert Gaussian().sigma == 200
    torch.testing.assert_close(Gaussian(sigma=2).craft(view), 0.01 * Gaussian().craft(view))


@pytest.mark.parametrize("attack", [Gaussian(), FreeRider(sigma=1)])
def test_noise_is_on_parameters_alone(attack: Attack) -> None:
    """Of a batch normalisation: two parameters, and three buffers that training changes."""
    update = attack.craft(look(network=with_buffers(), weights=torch.zeros(5)))
    assert bool(update[:2].all())
    assert update[2:].tolist() == [0, 0, 0]


def test_added_and_of_its_own_length() -> None:
    honest = deep().train()
    alone = Gaussian(sigma=0.5).craft(deep())
    assert alone.dtype == honest.dtype
    torch.testing.assert_close(Gaussian(form="added", sigma=0.5).craft(deep()), honest + alone)
    scaled = Gaussian(form="own-length", sigma=0.5).craft(deep())
    torch.testing.assert_close(scaled, alone * (honest.norm() / alone.norm()))
    torch.testing.assert_close(scaled, Gaussian(form="own-length").craft(deep()))


def test_the_mean_falls_to_it_and_the_median_does_not() -> None:
    assert final_accuracy("gaussian") < clean_accuracy() - 0.3
    assert final_accuracy("gaussian", aggregation="median") > clean_accuracy() - 0.1


@pytest.mark.parametrize("options", [{"sigma": 0}, {"form": "both"}, {"boost": 2}])
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        validate(Gaussian, options)
