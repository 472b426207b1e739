import torch
from helpers.received import column
from helpers.staged import server, staged

from fedlens.defences import Chain, EqualWeights, State, Updates, server_step


def test_a_client_that_announces_more_counts_no_more() -> None:
    """The mean of 1 and 5 is 3, and not 2; what a client announces no longer tells it by what to boost."""
    alpha = torch.tensor([0.75, 0.25], dtype=torch.float64)
    left, _, _ = staged(EqualWeights(), column(1, 5), alpha)
    assert left.weights.tolist() == [0.5, 0.5]
    chain = Chain.of("equal-weights")
    step = server_step(chain.whole, Updates.received(column(1, 5), alpha), server(2, 1), [State(), State()])
    assert step.update.tolist() == [3]
    assert step.effective_weights is not None
    assert step.effective_weights.tolist() == [0.5, 0.5]
    assert chain.averages is False
