"""Filters as stages: what they drop, what they only observe, and what is left where everybody is flagged."""

import torch
from torch import nn
from typing_extensions import override

from fedlens import Address, Layout
from fedlens.defences import Filter, Report, Server, State, Step, Updates, server_step
from fedlens.defences.chain import Chain

LAYOUT = Layout.of(nn.Linear(1, 1, bias=False))


class Long(Filter):
    limit: float = 5.0

    @override
    def judge(self, updates: Updates, server: Server, state: State) -> tuple[Report, State]:
        seen = state.tensors.get("seen", torch.tensor(0)) + 1
        lengths = updates.rows.norm(dim=1)
        return Report(lengths, lengths > self.limit), State({"seen": seen})


class Silent(Filter):
    @override
    def judge(self, updates: Updates, server: Server, state: State) -> tuple[Report, State]:
        return Report(), state


def step(stage: Filter, *rows: float) -> Step:
    """What a server makes of these updates by this filter and the mean."""
    chain = Chain.of([stage, "mean"]).whole
    weights = torch.full((len(rows),), 1 / len(rows), dtype=torch.float64)
    server = Server(1, torch.zeros(1), LAYOUT, tuple(range(len(rows))), Address.root(0))
    updates = Updates.received(torch.tensor(rows)[:, None], weights)
    return server_step(chain, updates, server, [each.init(LAYOUT) for each in chain])


def test_what_is_flagged_is_dropped_and_the_others_weights_add_up_to_1() -> None:
    done = step(Long(), 1.0, 3.0, 7.0)
    assert (done.update.tolist(), done.judgements[0].dropped) == ([2.0], (2,))
    assert done.effective_weights is not None
    assert done.effective_weights.tolist() == [0.5, 0.5, 0.0]
    assert done.states[0].tensors["seen"] == 1


def test_who_observes_says_the_same_and_drops_nobody() -> None:
    done = step(Long(action="observe"), 1.0, 4.0, 7.0)
    assert (done.update.tolist(), done.judgements[0].dropped) == ([4.0], ())
    report = done.judgements[0].report
    assert report.scores is not None
    assert report.flagged is not None
    assert (report.scores.tolist(), report.flagged.tolist()) == ([1.0, 4.0, 7.0], [False, False, True])
    assert done.states[0].tensors["seen"] == 1


def test_where_all_are_flagged_the_model_stays() -> None:
    done = step(Long(), 6.0, 7.0)
    assert done.skipped == "0 of 2 updates were left for mean, and 1 are needed"
    assert done.update.tolist() == [0.0]


def test_a_filter_that_says_nothing_drops_nobody() -> None:
    assert step(Silent(), 1.0, 3.0).update.tolist() == [2.0]
