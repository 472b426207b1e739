import pytest
import torch
from attacker import BRIEF, EFFECTIVE, TARGETED, UNBOOSTED, deep
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fedlens.attacks.attack import Attack
from fedlens.attacks.boosting import boosted
from fedlens.core.errors import ConfigError
from fedlens.core.layout import Layout
from fedlens.core.registry import build
from fedlens.training.local import LocalTraining

SLICES = Layout.of(nn.Linear(2, 1))


def test_boosting_by_hand() -> None:
    update = torch.tensor([1.0, -2.0, 3.0])
    assert boosted(update, 10, SLICES, weights_only=False).tolist() == [10, -20, 30]
    assert boosted(update, 10, SLICES, weights_only=True).tolist() == [10, -20, 3]
    assert update.tolist() == [1, -2, 3]


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), st.floats(1e-12, 1e6))
def test_weights_only_boosts_weights_alike_and_biases_not_at_all(entries: list[float], factor: float) -> None:
    update = torch.tensor(entries)
    whole = boosted(update, factor, SLICES, weights_only=False)
    part = boosted(update, factor, SLICES, weights_only=True)
    assert torch.equal(part[:2], whole[:2])
    assert torch.equal(part[2:], update[2:])


def test_factor_by_hand() -> None:
    assert Attack().factor(0.1) == 10
    assert Attack().factor(0.25) == 4
    assert Attack(boost=3).factor(0.1) == 3


# Every attack


def crafted(name: str, **options: object) -> torch.Tensor:
    attack = build("attack", {"name": name, **BRIEF.get(name, {}), **options}, Attack)
    assert isinstance(attack, Attack)
    return attack.craft(deep(local=LocalTraining(epochs=2, batch_size=6, learning_rate=0.1)))


@pytest.mark.parametrize("name", EFFECTIVE)
def test_the_boosting_factor_changes_what_every_attack_sends(name: str) -> None:
    small, large = crafted(name, boost=2), crafted(name, boost=6)
    assert not torch.allclose(small, large, rtol=0.1)
    assert torch.equal(crafted(name, boost=6), large)


@pytest.mark.parametrize("name", ["explicit-boosting", "simultaneous-training", "data-poisoning"])
def test_a_boost_of_the_whole_update_multiplies_it(name: str) -> None:
    torch.testing.assert_close(crafted(name, boost=6), 3 * crafted(name, boost=2))


@pytest.mark.parametrize("name", EFFECTIVE)
def test_the_boosting_factor_is_one_over_alpha_but_for_poisoning_alone(name: str) -> None:
    alpha = deep().alpha
    assert torch.equal(crafted(name), crafted(name, boost=1 if name in UNBOOSTED else 1 / alpha))


@pytest.mark.parametrize("name", TARGETED)
@pytest.mark.parametrize("boost", [0, -1, "double"])
def test_an_impossible_boost_is_refused(name: str, boost: object) -> None:
    with pytest.raises(ConfigError, match="boost"):
        crafted(name, boost=boost)
