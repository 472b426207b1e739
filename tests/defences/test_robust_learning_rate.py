from typing import Any

import numpy as np
import pytest
import torch
from helpers.received import equal, normal
from helpers.staged import server, staged
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedlens.core.errors import ConfigError
from fedlens.defences.chain import Chain
from fedlens.defences.robust_learning_rate import RobustLearningRate
from fedlens.defences.server_step import Step, server_step
from fedlens.defences.stage import Updates

seeds = st.integers(0, 2**32)
few = settings(max_examples=25)
VOTES = torch.tensor([[1.0, 1], [1, 1], [1, 1], [1, 1], [1, -1]], dtype=torch.float64)


def step(theta: int, rows: Tensor, *rule: Any) -> Step:
    """What a server makes of rows of equal weights by this stage and the rule, or the mean."""
    chain, at_hand = Chain.of([RobustLearningRate(theta=theta), *rule]).whole, server(*rows.shape)
    states = [stage.init(at_hand.layout) for stage in chain]
    return server_step(chain, Updates.received(rows, equal(len(rows))), at_hand, states)


def test_by_hand() -> None:
    """With θ = 4, five of five agree on the first entry; four less one, on the second, are too few."""
    done = step(4, VOTES)
    assert done.update.tolist() == pytest.approx([1, -0.6])
    assert done.effective_weights is None
    assert step(3, VOTES).update.tolist() == pytest.approx([1, 0.6])


@given(seed=seeds, theta=st.integers(0, 7))
@few
@pytest.mark.parametrize("rule", ["mean", "median", {"name": "krum", "f": 1}, {"name": "trimmed-mean", "f": 2}])
def test_before_a_rule_is_after_it(rule: Any, seed: int, theta: int) -> None:
    rows = normal(seed, 7, 9).round()  # zeros have no sign
    plain = step(0, rows, rule).update.numpy()
    signs = np.where(abs(np.sign(rows.numpy()).sum(axis=0)) >= theta, 1, -1)
    np.testing.assert_allclose(step(theta, rows, rule).update.numpy(), signs * plain, rtol=0, atol=1e-12)


def test_who_is_alone_in_an_entry_is_pushed_back() -> None:
    """Honest clients agree on the first entries and leave the last alone, which a backdoor needs."""
    honest = torch.cat([0.5 + normal(0, 9, 4).abs(), torch.zeros(9, 1).double()], dim=1)
    attacked = torch.cat([honest, torch.tensor([[0, 0, 0, 0, 50.0]]).double()])
    assert step(0, attacked).update[4] == 5
    assert step(4, attacked).update[4] == -5
    assert bool((step(4, attacked).update[:4] > 0).all())


def test_where_attackers_can_deny_agreement_honest_entries_are_reversed() -> None:
    """θ above n − 2m: nine against one are a sum of 8, and of less than 9 so is the model turned round."""
    rows = torch.cat([torch.ones(9, 3), -torch.ones(1, 3)]).double()
    assert bool((step(9, rows).update < 0).all())
    assert bool((step(8, rows).update > 0).all())


def test_edges() -> None:
    assert step(1, torch.zeros(3, 2)).update.tolist() == [0, 0]
    assert step(1, torch.full((1, 2), 3.0)).update.tolist() == [3, 3]
    tiny = torch.tensor([[1e-300], [1e-300], [-1e30]], dtype=torch.float64)
    assert step(1, tiny).update.item() == pytest.approx(-1e30 / 3)
    assert step(2, torch.ones(1, 2)).skipped == "1 of 1 updates were left for rlr, and 2 are needed"


def test_a_wide_round_is_done_in_blocks() -> None:
    rows = normal(3, 70, 9_000).round()
    expected = rows * torch.where(rows.sign().sum(dim=0).abs() >= 7, 1, -1)
    assert torch.equal(staged(RobustLearningRate(theta=7), rows)[0].rows, expected)


def test_a_rule_that_keeps_something_of_each_client_cannot_follow() -> None:
    with pytest.raises(ConfigError, match="foolsgold needs each client's own update, but rlr before it"):
        Chain.of([{"name": "rlr", "theta": 1}, "foolsgold"])
