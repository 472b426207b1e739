"""Clipping to the median norm of all updates received, and noise in proportion to it."""

import pytest
import torch
from helpers.received import column, normal
from helpers.staged import effective, server, staged

from fedlens.core.random import Address
from fedlens.defences import Filter, Report, Server, State, Updates, server_step
from fedlens.defences.chain import Chain
from fedlens.defences.median_clip import MedianClip
from fedlens.defences.median_noise import MedianNoise
from fedlens.defences.norm_clipping import norms


def test_by_hand() -> None:
    """Norms 1, 2, 3, 4 and 10: S = 3, and factors 1, 1, 1, .75 and .3."""
    clipped, _, report = staged(MedianClip(), column(1, -2, 3, -4, 10))
    assert clipped.rows.flatten().tolist() == pytest.approx([1, -2, 3, -3, 3])
    assert (5 * effective(clipped)).tolist() == pytest.approx([1, 1, 1, 0.75, 0.3])
    assert report.details == {"length": [1, 2, 3, 4, 10], "clipped": [0, 0, 0, 1, 1]}


def test_of_an_even_number_it_is_the_middle_of_two() -> None:
    clipped, _, _ = staged(MedianClip(), column(1, 2, 3, 100))
    assert clipped.rows.flatten().tolist() == pytest.approx([1, 2, 2.5, 2.5])


def test_if_most_are_zero_all_become_so() -> None:
    clipped, _, _ = staged(MedianClip(), column(0, 0, 5))
    assert clipped.rows.flatten().tolist() == [0, 0, 0]


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_scale_does_not_matter(scale: float) -> None:
    rows = normal(0, 5, 6)
    clipped = staged(MedianClip(), scale * rows)[0].rows
    torch.testing.assert_close(clipped / scale, staged(MedianClip(), rows)[0].rows)


class Last(Filter):
    """Drops the last two rows."""

    def judge(self, updates: Updates, server: Server, state: State) -> tuple[Report, State]:
        flagged = torch.arange(len(updates.rows)) >= len(updates.rows) - 2
        return Report(flagged.double(), flagged), state


def test_the_median_is_that_of_all_received_also_behind_a_filter() -> None:
    """3 of 1, 2, 4, 3 and 10, though of 1, 2 and 4 it would be 2: (1 + 2 + 3) / 3."""
    chain = Chain.of([Last(), MedianClip()]).whole
    rows = column(1, 2, 4, 3, 10)
    updates = Updates.received(rows, torch.full((5,), 0.2, dtype=torch.float64))
    step = server_step(chain, updates, server(5, 1), [State()] * 3)
    assert step.update.tolist() == pytest.approx([2])


def test_without_norms_it_says_so() -> None:
    with pytest.raises(ValueError, match=r"Server\.lengths"):
        MedianNoise().apply(Updates.received(normal(0, 1, 2), torch.ones(1)), server(1, 2), State())


def noise(rows: int, factor: float, seed: int = 0) -> torch.Tensor:
    """What it adds where updates have norms 3, 5 and 7."""
    at_hand = Server(
        1, torch.zeros(rows), server(1, rows).layout, (0,), Address.root(seed), lengths=torch.tensor([3.0, 7, 5])
    )
    step = Updates.received(torch.zeros(1, rows), torch.ones(1).double())
    return MedianNoise(factor=factor).apply(step, at_hand, State())[0].rows[0]


def test_the_noise_has_the_deviation_of_factor_times_median() -> None:
    """0.02 · 5 = 0.1; of 40 000 draws, the deviation is off by some 0.4 %."""
    added = noise(40_000, 0.02)
    assert float(added.std()) == pytest.approx(0.1, rel=0.02)
    assert float(added.mean()) == pytest.approx(0, abs=0.003)
    torch.testing.assert_close(noise(40_000, 0.04), 2 * added)
    assert not torch.equal(noise(40_000, 0.02, seed=1), added)
    assert noise(4, 0).tolist() == [0] * 4


def test_norms_of_tiny_updates() -> None:
    rows = torch.tensor([[3e-300, 4e-300], [0, 0], [3, 4]], dtype=torch.float64)
    assert norms(rows).tolist() == pytest.approx([5e-300, 0, 5], rel=1e-12, abs=0)
