"""A server's step by hand: order, effective weights through mixing, what is kept where nothing is done."""

import pytest
import torch
from helpers.stages import Doubles, Draws, First, Long, Pairs, Refuses, Scale
from torch import Tensor

from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.defences.chain import Chain
from fedlens.defences.server_step import Step, server_step
from fedlens.defences.stage import Server, State, Updates

LAYOUT = Layout(())


def step(stages: list[object], rows: list[float], alpha: list[float], states: list[State] | None = None) -> Step:
    chain = Chain(stages=stages).whole  # type: ignore[arg-type]
    updates = Updates.received(
        torch.tensor(rows, dtype=torch.float32)[:, None], torch.tensor(alpha, dtype=torch.float64)
    )
    server = Server(3, torch.zeros(1), LAYOUT, tuple(range(10, 10 + len(rows))), Address.root(0))
    return server_step(chain, updates, server, states or [stage.init(LAYOUT) for stage in chain])


def weights(found: Step) -> list[float]:
    assert found.effective_weights is not None
    return found.effective_weights.tolist()


def test_the_mean_of_pairs_by_hand() -> None:
    found = step([Pairs()], [1, 3, 5, 9], [0.1, 0.2, 0.3, 0.4])
    assert found.update.tolist() == [4.5]  # the mean of 2 and 7, as rows that are mixed weigh the same
    assert weights(found) == [0.25, 0.25, 0.25, 0.25]


def test_effective_weights_through_two_stages_of_mixing_by_hand() -> None:
    found = step([Pairs(), Scale(factor=0.5), Pairs(), First()], [1, 3, 5, 9, 2, 2, 2, 2], [0.125] * 8)
    assert found.update.tolist() == [0.5 * 0.5 * (2 + 7)]
    assert weights(found) == [0.125] * 4 + [0] * 4  # 1/2 of a pair, halved, 1/2 of a pair of pairs


def test_a_filter_renormalises_the_weights_of_the_rest() -> None:
    found = step([Long(limit=4)], [1, 3, 5, 9], [0.1, 0.3, 0.2, 0.4])
    assert found.update.tolist() == pytest.approx([0.25 * 1 + 0.75 * 3])
    assert weights(found) == pytest.approx([0.25, 0.75, 0, 0])
    (judgement, _) = found.judgements
    assert judgement.rows == (0, 1, 2, 3)
    assert judgement.dropped == (2, 3)
    assert judgement.report.details == {"length": [1, 3, 5, 9]}


def test_the_order_of_the_stages_counts() -> None:
    rows, alpha = [1, 3, 5, 9], [0.25] * 4
    assert step([Scale(factor=0.5), Long(limit=4)], rows, alpha).update.tolist() == [1.5]  # of 0.5, 1.5 and 2.5
    assert step([Long(limit=4), Scale(factor=0.5)], rows, alpha).update.tolist() == [1]  # of 0.5 and 1.5
    assert step([Doubles()], rows, alpha).update.tolist() == [9]


def test_scores_after_mixing_are_no_single_clients() -> None:
    scaled = step([Scale(factor=0.5), Long(limit=4)], [1, 3, 5, 9], [0.25] * 4).judgements[1]
    assert (scaled.rows, scaled.dropped) == ((0, 1, 2, 3), (3,))
    paired = step([Pairs(), Long(limit=4)], [1, 3, 5, 9], [0.25] * 4).judgements[1]
    assert (paired.rows, paired.dropped) == ((None, None), (2, 3))


def test_without_shares_nobody_knows_the_effective_weights() -> None:
    found = step([Pairs(), First(tells=False), Doubles()], [1, 3, 5, 9], [0.25] * 4)
    assert found.update.tolist() == [4]
    assert found.effective_weights is None


def test_a_servers_optimizer_scales_the_effective_weights() -> None:
    assert weights(step([First(), Doubles()], [1, 3], [0.5, 0.5])) == [2, 0]


def test_what_is_kept_goes_from_round_to_round() -> None:
    first = step([Pairs(), First()], [1, 3], [0.5, 0.5])
    second = step([Pairs(), First()], [1, 3], [0.5, 0.5], list(first.states))
    assert [float(state.tensors[name]) for state, name in zip(second.states, ("rounds", "count"), strict=True)] == [
        2,
        2,
    ]
    assert second.states[0].clients.keys() == {10, 11}


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        ([Pairs(), Long(limit=0), First()], "0 of 4 updates were left for "),
        ([Long(limit=2), Pairs(), First()], "1 of 4 updates were left for "),
        ([Pairs(), Refuses(), First()], "no trust today"),
    ],
)
def test_where_nothing_is_left_the_model_and_all_that_is_kept_stay(stages: list[object], reason: str) -> None:
    chain = Chain(stages=stages).whole  # type: ignore[arg-type]
    states = [State({"rounds": torch.tensor(float(index))}) for index in range(len(chain))]
    found = step(stages, [1, 3, 5, 9], [0.25] * 4, states)
    assert found.skipped is not None
    assert found.skipped.startswith(reason)
    assert found.update.tolist() == [0]
    assert weights(found) == [0, 0, 0, 0]
    assert all(state is before for state, before in zip(found.states, states, strict=True))


def test_stages_draw_each_their_own() -> None:
    found = step([Draws(), Scale(factor=1), Draws()], [1, 3], [0.5, 0.5])
    drawn: list[Tensor] = [said.report.scores for said in found.judgements if said.report.scores is not None]
    assert len({float(numbers[0]) for numbers in drawn}) == 2


def test_rows_say_of_which_update_they_are() -> None:
    received = Updates.received(torch.tensor([[1.0], [2.0], [4.0]]), torch.ones(3).double() / 3)
    assert received.sources == (0, 1, 2)
    assert received.keep([2, 0]).sources == (2, 0)
    assert received.mixed(torch.tensor([[0.5, 0.5, 0.0], [0.0, -2.0, 0.0]])).sources == (None, 1)
    assert Updates(received.rows, received.weights, None).sources == (None, None, None)
