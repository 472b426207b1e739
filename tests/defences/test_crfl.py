from math import log, sqrt

import pytest
import torch
from helpers.received import normal
from helpers.staged import effective, one, server
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedlens.core.random import Address
from fedlens.defences.chain import Chain
from fedlens.defences.crfl import Crfl
from fedlens.defences.crfl_certificate import certified_radius, smoothed_votes, vote_bounds
from fedlens.defences.norm_clipping import norms
from fedlens.defences.stage import Server, State, Updates


def at(weights: Tensor, round_: int = 1, seed: int = 0) -> Server:
    """A server with these weights, in this round."""
    found = server(1, len(weights), seed=seed)
    return Server(round_, weights, found.layout, (0,), found.address)


def model_after(stage: Crfl, weights: Tensor, step: Tensor, round_: int = 1, seed: int = 0) -> Tensor:
    """The global model after the round."""
    updates = Updates.received(step[None], torch.ones(1).double())
    return weights + one(stage.apply(updates, at(weights, round_, seed), State())[0])


def test_the_model_is_clipped_by_hand() -> None:
    """(2, 0) and the step (1, 4) are (3, 4) of norm 5; ρ_1 = 2.1 makes that 0.42 of it."""
    weights, step = torch.tensor([2.0, 0]).double(), torch.tensor([1.0, 4]).double()
    assert model_after(Crfl(sigma=0), weights, step).tolist() == pytest.approx([3 * 0.42, 4 * 0.42])
    updates = Updates.received(step[None], torch.ones(1).double())
    left, _, _ = Crfl(sigma=0).apply(updates, at(weights), State())
    assert effective(left).tolist() == pytest.approx([0.42])
    assert model_after(Crfl(sigma=0), weights, 0 * step).tolist() == [2, 0]  # it is within the limit


def test_the_limit_grows_up_to_its_largest() -> None:
    assert [Crfl().limit(t) for t in (1, 10, 130, 500)] == pytest.approx([2.1, 3, 15, 15])
    assert [Crfl(rho=4, growth=0.25, most=100).limit(t) for t in (4, 1000)] == [5, 100]


@given(seed=st.integers(0, 2**32), round_=st.integers(1, 200), factor=st.sampled_from([1e-30, 1.0, 1e30, 1e300]))
@settings(max_examples=25)
def test_the_model_is_never_longer_than_the_limit(seed: int, round_: int, factor: float) -> None:
    weights = normal(seed, 9)
    after = model_after(Crfl(sigma=0), weights, factor * normal(seed + 1, 9), round_)
    if factor < 1e20:
        expected = weights + factor * normal(seed + 1, 9)
        expected = expected * min(1, min(2 + 0.1 * round_, 15) / float(expected.norm()))
        torch.testing.assert_close(after, expected)
    assert float(norms(after[None])) <= Crfl().limit(round_) * (1 + 1e-9)


def test_noise_is_of_its_deviation_and_drawn_anew_from_the_address() -> None:
    weights = torch.zeros(20_000).double()
    noise = model_after(Crfl(sigma=0.5), weights, weights)
    assert float(noise.std()) == pytest.approx(0.5, rel=0.03)
    assert abs(float(noise.mean())) < 0.02
    assert torch.equal(noise, model_after(Crfl(sigma=0.5), weights, weights))
    assert not torch.equal(noise, model_after(Crfl(sigma=0.5), weights, weights, seed=1))


def test_the_last_round_s_model_is_left_as_it_is() -> None:
    weights, step = torch.zeros(2).double(), torch.tensor([30.0, 40]).double()
    assert model_after(Crfl(last=7), weights, step, 7).tolist() == [30, 40]
    assert float(model_after(Crfl(last=7), weights, step, 6).norm()) < 3


def test_it_steps_after_the_mean_and_sees_no_single_update() -> None:
    chain = Chain.of("crfl")
    assert [stage.kind for stage in chain.whole] == ["rule", "optimizer"]
    assert (chain.sees, chain.averages) == ("sum", False)


def test_a_boosted_update_gets_no_further_than_the_limit_and_a_short_one_stays() -> None:
    """Model replacement at 100 times its length is cut; a backdoor of the length of an honest step is not."""
    weights = torch.zeros(4).double()
    backdoor = torch.tensor([0, 0, 0, 1.0]).double()
    assert float(model_after(Crfl(sigma=0), weights, 100 * backdoor)[3]) == pytest.approx(2.1)
    assert float(model_after(Crfl(sigma=0), weights, backdoor)[3]) == 1


def sign(weights: Tensor) -> Tensor:
    """The classes that a model of one weight predicts at 1 and -1."""
    return (torch.tensor([[1.0], [-1.0]]).double() @ weights > 0).long()


def test_votes_are_those_of_clipped_and_noisy_models() -> None:
    """Of N(1, 1), the share above 0 is Φ(1) = 0.8413; the model of weight 50 is clipped to 1."""
    votes = smoothed_votes(
        sign, torch.tensor([50.0]).double(), rho=1, sigma=1, copies=2_000, classes=2, address=Address.root(0)
    )
    assert votes.sum(dim=1).tolist() == [2_000, 2_000]
    assert votes[0, 1] / 2_000 == pytest.approx(0.8413, abs=0.03)
    assert votes[0, 1] == votes[1, 0]
    assert smoothed_votes(
        sign, torch.tensor([0.5]).double(), rho=1, sigma=0, copies=3, classes=3, address=Address.root(0)
    ).tolist() == [[0, 3, 0], [3, 0, 0]]
    with pytest.raises(ValueError, match="at least one model has to vote"):
        smoothed_votes(sign, torch.ones(1).double(), rho=1, sigma=1, copies=0, classes=2, address=Address.root(0))


def test_bounds_of_votes_by_hand() -> None:
    margin = sqrt(log(1000) / 2000)
    assert vote_bounds([30, 950, 20]) == pytest.approx((0.95 - margin, 0.03 + margin))
    assert vote_bounds([1, 0]) == (0, 1)
    assert vote_bounds([900, 100], alpha=0.1) == pytest.approx((0.9 - sqrt(log(10) / 2000), 0.1 + sqrt(log(10) / 2000)))


def test_the_radius_by_hand() -> None:
    """-ln(1 - (√0.9 - √0.1)²) = 0.510826."""
    alone = certified_radius(0.9, 0.1, sigma=1, lipschitz=1, shares=[1])
    assert alone**2 * 2 == pytest.approx(0.510826, abs=1e-6)
    assert certified_radius(0.9, 0.1, sigma=3, lipschitz=2, shares=[1]) == pytest.approx(alone * 3 / 2)
    two = certified_radius(0.9, 0.1, sigma=1, lipschitz=1, shares=[3, 4])
    assert two**2 * (2 * 2 * 25) == pytest.approx(0.510826, abs=1e-6)
    later = certified_radius(0.9, 0.1, sigma=1, lipschitz=1, shares=[1], ratios=[1, 2])
    assert later == pytest.approx(alone / sqrt(0.682689 * 0.954500), rel=1e-5)  # Φ of one and two deviations
    assert certified_radius(0.4, 0.5, sigma=1, lipschitz=1, shares=[1]) == 0
    assert certified_radius(1, 0, sigma=1, lipschitz=1, shares=[1]) == float("inf")
    assert certified_radius(0.9, 0.1, sigma=1, lipschitz=1, shares=[]) == float("inf")
    assert certified_radius(0.5, 0.5, sigma=1, lipschitz=1, shares=[]) == 0
