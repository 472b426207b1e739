"""The updates at a point of the chain: what is kept, mixed and combined of three, by hand."""

from dataclasses import replace

import pytest
import torch

from fedlens.defences.stage import Report, Server, Stage, State, Updates

ROWS = torch.tensor([[1.0], [3.0], [9.0]])
RECEIVED = Updates.received(ROWS, torch.tensor([0.5, 0.25, 0.25]).double())
UNKNOWN = replace(RECEIVED, mixture=None)


def test_received() -> None:
    assert RECEIVED.mixture is not None
    assert RECEIVED.mixture.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert RECEIVED.effective_weights is not None
    assert RECEIVED.effective_weights.tolist() == [0.5, 0.25, 0.25]
    assert not RECEIVED.owned


@pytest.mark.parametrize("owned", [False, True])
@pytest.mark.parametrize(
    ("index", "rows", "weights", "in_place"),
    [
        ([0, 1, 2], [1, 3, 9], [0.5, 0.25, 0.25], True),
        ([0, 2], [1, 9], [2 / 3, 1 / 3], True),
        ([1, 2], [3, 9], [0.5, 0.5], True),
        ([2], [9], [1], True),
        ([2, 0], [9, 1], [1 / 3, 2 / 3], False),
        ([0, 0], [1, 1], [0.5, 0.5], False),
    ],
)
def test_rows_are_kept(index: list[int], rows: list[float], weights: list[float], in_place: bool, owned: bool) -> None:
    """In their own memory, where they may be written to and stay in their order."""
    before = replace(RECEIVED, rows=ROWS.clone(), owned=owned)
    kept = before.keep(index)
    assert kept.rows.flatten().tolist() == rows
    assert kept.weights.tolist() == pytest.approx(weights)
    assert kept.sources == tuple(index)
    assert kept.owned == owned
    shared = kept.rows.untyped_storage().data_ptr() == before.rows.untyped_storage().data_ptr()
    assert shared == ((owned and in_place) or kept is before)
    assert owned or torch.equal(before.rows, ROWS)
    unknown = replace(before, mixture=None).keep(index)
    assert (unknown.mixture, unknown.effective_weights, unknown.sources) == (None, None, (None,) * len(index))


def test_rows_are_mixed() -> None:
    matrix = torch.tensor([[0.5, 0.5, 0.0], [0.0, -1.0, 0.0]])
    mixed = RECEIVED.mixed(matrix)
    assert mixed.rows.flatten().tolist() == [2, -3]
    assert mixed.weights.tolist() == [0.5, 0.5]
    assert mixed.mixture is not None
    assert mixed.mixture.tolist() == matrix.tolist()
    assert mixed.sources == (None, 1)
    assert mixed.effective_weights is not None
    assert mixed.effective_weights.tolist() == [0.25, -0.25, 0]
    again = mixed.mixed(torch.tensor([[2.0, 1.0]]), torch.tensor([[7.0]]))
    assert again.rows.tolist() == [[7]]
    assert again.mixture is not None
    assert again.mixture.tolist() == [[1, 0, 0]]
    assert UNKNOWN.mixed(matrix).mixture is None


def test_a_rule_leaves_one_row() -> None:
    mixed = RECEIVED.mixed(torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]))
    single = mixed.single(torch.tensor([7.0]), torch.tensor([0.25, 0.75]))
    assert (single.rows.tolist(), single.weights.tolist()) == ([[7]], [1])
    assert single.mixture is not None
    assert single.mixture.tolist() == [[0.125, 0.125, 0.75]]
    assert mixed.single(torch.tensor([7.0]), None).mixture is None
    assert UNKNOWN.single(torch.tensor([7.0]), torch.ones(3)).mixture is None


def test_a_stage_is_nothing_that_it_does_not_say() -> None:
    class Passes(Stage):
        """Leaves everything as it is."""

        kind = "mixing"

        def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
            return updates, state, Report()

    stage = Passes()
    facts = ("averages", "blends", "by_client", "needs_root", "needs_lengths", "needs_model", "coordinatewise")
    assert not any(getattr(stage, fact) for fact in facts)
    assert stage.sees == "updates"
    assert [stage.needed(following) for following in (0, 1, 4)] == [1, 1, 4]
    assert stage.init(None) == State()  # type: ignore[arg-type]
