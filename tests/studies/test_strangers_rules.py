"""The servers that whole audits are tried on do what they say, by values computed by hand."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from helpers.strangers_federations import JUDGED, Neighbourhood
from helpers.strangers_rules import (
    Combination,
    Deaf,
    Doorman,
    Drip,
    Flywheel,
    Nobody,
    Rounded,
    Shortener,
    SortNumpy,
    Still,
    Trusting,
)

from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.defences.detector import Inspection
from fedlens.defences.rule import Received, Rule
from fedlens.defences.stage import Server, State, Updates

ROWS = ([1.0, 0.0], [0.0, -2.0], [0.0, 3.0], [-12.0, 0.0])
ALPHA = (0.1, 0.2, 0.3, 0.4)


def received(rows: Sequence[Sequence[float]] = ROWS, **state: Any) -> Received:
    layout = Layout.of(torch.nn.Linear(2, 1, bias=False))
    return Received(torch.tensor(rows), torch.tensor(ALPHA).double(), layout, Address.root(0), state)


@pytest.mark.parametrize(
    ("rule", "right"),
    [
        (SortNumpy(), [0, 0]),
        (Drip(share=0.1), [-0.47, 0.05]),
        (Doorman(shortest=0.7, longest=0.9), [0, -2]),  # lengths 1, 2, 3, 12, of which the median is 2.5
        (Doorman(shortest=0.7, longest=1.3), [0, 0.5]),
        (Doorman(shortest=2, longest=3), [0, 0]),
        (Rounded(unit=5.0), [-4.0, 1.5]),  # 1 is 0, -2 is 0, 3 is 5, -12 is -10
        (Combination(signs=(-1, 0)), [-4.7, 0.5]),
        (Combination(signs=(1, 1)), [0, 0]),
        (Still(), [0, 0]),
        (Deaf(ear=3), [1 / 3, 1 / 3]),
        (Trusting(power=1), [-4.7, 0.5]),
        (Trusting(power=2), [(0.01 - 12 * 0.16) / 0.3, (-2 * 0.04 + 3 * 0.09) / 0.3]),
    ],
    ids=str,
)
def test_steps_by_hand(rule: Rule, right: Sequence[float]) -> None:
    assert rule.aggregate(received()).update.tolist() == pytest.approx(right)


def test_a_flywheel_goes_on_with_what_it_keeps() -> None:
    rule = Flywheel(inertia=0.25, drip=0.1)
    first = rule.aggregate(received())
    assert first.update.tolist() == pytest.approx([0.75 * -0.47, 0.75 * 0.05])
    second = rule.aggregate(received(**first.state))
    assert second.update.tolist() == pytest.approx([0.9375 * -0.47, 0.9375 * 0.05])


def test_a_shortener_shortens_what_is_longer_than_the_lower_median() -> None:
    at = received()
    server = Server(1, torch.zeros(2), at.layout, (0, 1, 2, 3), at.address)
    updates, _, _ = Shortener(times=2).apply(Updates.received(at.updates, at.alpha), server, State())
    assert updates.rows.norm(dim=1).tolist() == pytest.approx([1, 2, 3, 4])


def test_nobody_is_let_in() -> None:
    at = received()
    assert Nobody().inspect(Inspection(1, torch.zeros(2), at.updates, at.alpha, at.layout)).flagged.all()


def test_a_neighbourhood_is_a_fixed_part_of_the_census() -> None:
    dataset = Neighbourhood(people=50).load()
    assert (len(dataset.train), len(dataset.test)) == (50, JUDGED)
    assert torch.equal(dataset.train.x, Neighbourhood(people=50).load().train.x)
