"""What a server does to buffers, by hand: whose they are is decided by parameters alone."""

from collections.abc import Sequence
from typing import ClassVar

import pytest
import torch
from torch import nn

from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.defences.buffers import BuffersError, median_of_counters
from fedlens.defences.chain import Chain
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.defences.server_step import Step, server_step
from fedlens.defences.stage import Server, Stage, State, Updates

LAYOUT = Layout.of(nn.BatchNorm1d(1))
"""One weight, one bias, a running mean, a running variance, and a counter of batches."""

HONEST = [
    (1.0, 0.0, 10.0, 1.0, 3.0),
    (1.1, 0.0, 20.0, 2.0, 5.0),
    (1.2, 0.0, 30.0, 3.0, 5.0),
    (1.3, 0.0, 40.0, 4.0, 9.0),
]
"""Updates of four honest clients."""
HOSTILE = (9.0, 0.0, 1e30, -1e30, 1e9)
"""One of an attacker."""


def step(
    stages: object, rows: Sequence[Sequence[float]], alpha: Sequence[float] | None = None, states: Sequence[State] = ()
) -> Step:
    chain = Chain.of(stages).whole  # type: ignore[arg-type]
    alpha = alpha or [1 / len(rows)] * len(rows)
    updates = Updates.received(torch.tensor(rows), torch.tensor(alpha, dtype=torch.float64))
    server = Server(1, torch.zeros(5), LAYOUT, tuple(range(len(rows))), Address.root(0), torch.tensor(HONEST[0]))
    return server_step(chain, updates, server, states or [stage.init(LAYOUT.parameters) for stage in chain])


def buffers(found: Step) -> list[float]:
    return found.update[2:].tolist()


def test_the_layout_has_parameters_first() -> None:
    kinds = ["weight", "bias", "buffer", "buffer", "counter"]
    assert [part.kind for part in LAYOUT.slices] == kinds
    assert (LAYOUT.size, LAYOUT.parameters.size, LAYOUT.buffers.size) == (5, 2, 3)
    assert [(part.name, part.start) for part in LAYOUT.buffers.slices] == [
        ("running_mean", 0),
        ("running_var", 1),
        ("num_batches_tracked", 2),
    ]


def test_the_mean_of_clients_of_unequal_sizes() -> None:
    found = step("mean", HONEST, [0.1, 0.2, 0.3, 0.4])
    assert buffers(found) == pytest.approx([1 + 4 + 9 + 16, 0.1 + 0.4 + 0.9 + 1.6, 5])  # counters: of 3, 5, 5 and 9


def test_krum_takes_the_buffers_of_the_client_that_it_chooses() -> None:
    found = step({"name": "krum", "f": 1}, [*HONEST, HOSTILE])
    assert found.effective_weights is not None
    [chosen] = found.effective_weights.nonzero()[0].tolist()
    assert chosen < 4
    assert found.update.tolist() == torch.tensor(HONEST[chosen]).tolist()


def test_multi_krum_takes_the_mean_of_those_that_it_chooses() -> None:
    found = step({"name": "multi-krum", "f": 1, "m": 2}, [*HONEST, HOSTILE])
    assert found.effective_weights is not None
    first, second = found.effective_weights.nonzero()[:, 0].tolist()
    halves = [(a + b) / 2 for a, b in zip(HONEST[first][2:4], HONEST[second][2:4], strict=True)]
    assert buffers(found)[:2] == pytest.approx(halves)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("median", [30, 2, 5]),  # of 10, 20, 30, 40 and 1e30; of -1e30, 1, 2, 3 and 4; of 3, 5, 5, 9 and 1e9
        ({"name": "trimmed-mean", "f": 1}, [30, 2, 5]),  # the means of the middle three; the counter is a median
    ],
)
def test_a_coordinate_wise_rule_is_applied_to_buffers(rule: object, expected: list[float]) -> None:
    assert buffers(step(rule, [*HONEST, HOSTILE])) == pytest.approx(expected)


def test_mixing_comes_before_the_median() -> None:
    rows = [(0.0, 0.0, 10.0, 1.0, 2.0), (0.1, 0.0, 20.0, 2.0, 2.0), (5.0, 0.0, 50.0, 3.0, 7.0)]
    found = step([{"name": "nnm", "f": 1}, "median"], rows)
    # by parameters, the nearest two are 0 and 1, 1 and 0, 2 and 1: means of 15, 15 and 35, and of 1.5, 1.5 and 2.5
    assert buffers(found) == pytest.approx([15, 1.5, 2])


def test_what_is_clipped_counts_less() -> None:
    rows = [(3.0, 4.0, 10.0, 1.0, 2.0), (0.0, 1.0, 20.0, 2.0, 4.0)]
    found = step({"name": "norm-clipping", "max_norm": 1}, rows, [0.5, 0.5])
    assert buffers(found) == pytest.approx([0.5 * 0.2 * 10 + 0.5 * 20, 0.5 * 0.2 * 1 + 0.5 * 2, 3])
    found = step({"name": "centred-clipping", "tau": 1}, rows, [0.5, 0.5])
    assert buffers(found) == pytest.approx([0.5 * 0.2 * 10 + 0.5 * 20, 0.5 * 0.2 * 1 + 0.5 * 2, 3])


@pytest.mark.parametrize("rule", ["mean", "median"])
def test_who_is_dropped_has_no_say_in_buffers(rule: str) -> None:
    found = step([{"name": "norm-filter", "max_norm": 5}, rule], [*HONEST, HOSTILE])
    assert buffers(found) == buffers(step(rule, HONEST))


@pytest.mark.parametrize("optimizer", ["fedavgm", "fedadam"])
def test_a_server_optimizer_leaves_buffers_alone(optimizer: str) -> None:
    states = [State(), *(stage.init(LAYOUT.parameters) for stage in Chain.of([optimizer]).whole[1:])]
    options = {"name": optimizer, "learning_rate": 0.5}
    found = step(["mean", options], HONEST, states=states)
    assert buffers(found) == buffers(step("mean", HONEST))
    assert found.update[:2].tolist() != step("mean", HONEST).update[:2].tolist()


@pytest.mark.parametrize(
    "rule",
    [
        "mean", "median", "geometric-median", "centred-clipping", "foolsgold", "fltrust",
        {"name": "krum", "f": 1}, {"name": "krum-authors", "f": 1}, {"name": "multi-krum", "f": 1, "m": 3},
        {"name": "trimmed-mean", "f": 1}, {"name": "bulyan", "f": 1}, {"name": "norm-clipping", "max_norm": 3},
    ],
)  # fmt: skip
def test_every_rule_of_ours_combines_buffers(rule: object) -> None:
    torch.manual_seed(0)
    rows = torch.randn(9, 5)
    rows[:, 4] = 7
    found = step(rule, rows.tolist())
    assert found.skipped is None
    assert found.update.isfinite().all()
    assert bool((found.update[2:4] != 0).any())
    assert found.update[4] == 7
    without = step(rule, torch.cat([rows[:, :2], torch.zeros(9, 3)], dim=1).tolist())
    assert torch.equal(found.update[:2], without.update[:2])


def test_counters_are_whole_numbers() -> None:
    counters = torch.tensor([[1.0, 7.0], [2.0, 8.0], [4.0, 8.0], [9.0, 9.0]])
    assert median_of_counters(counters).tolist() == [3, 8]
    assert median_of_counters(counters[:2]).tolist() == [2, 8]  # halves go to the even number
    assert median_of_counters(counters[:0]).tolist() == [0, 0]


class Silent(Rule):
    """A rule that does not say how much of each update is in what it leaves."""

    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(received.updates.mean(dim=0))


class Least(Silent):
    """One that combines each entry by itself."""

    coordinatewise: ClassVar[bool] = True

    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(received.updates.min(dim=0).values)


def test_a_rule_that_does_not_say_whose_updates_it_takes_cannot_combine_buffers() -> None:
    with pytest.raises(BuffersError, match="Silent does not say how much of each update is in what it leaves"):
        step(Silent(), HONEST)
    assert buffers(step(Least(), HONEST)) == [10, 1, 5]


class Looks(Stage):
    """A stage that notes what it sees."""

    kind = "mixing"
    seen: ClassVar[list[object]] = []

    def apply(self, updates: Updates, server: Server, state: State) -> object:  # type: ignore[override]
        from fedlens.defences.stage import Report

        assert server.root is not None
        self.seen[:] = [updates.rows.shape, server.weights.shape, server.root.shape, server.layout]
        return updates, state, Report()


def test_stages_see_parameters_alone() -> None:
    step([Looks(), "mean"], HONEST)
    assert Looks.seen == [(4, 2), (2,), (2,), LAYOUT.parameters]
