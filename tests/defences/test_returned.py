"""What is wrong with what a rule or a stage returns, in words; the rest of a run has tests of what becomes of these."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from helpers.received import equal

from fedlens.defences.returned import ReturnedError, require_aggregate, require_outcome, state_fault
from fedlens.defences.rule import Aggregate
from fedlens.defences.stage import Report, State, Updates

ROWS = torch.tensor([[1.0, 2], [3, 4], [5, 6]])
RECEIVED = Updates.received(ROWS, equal(3))
LONG = Updates.received(1e30 * ROWS, equal(3))
"""Updates whose squares are out of the range of float32."""
UNKNOWN = replace(RECEIVED, mixture=None)
KEPT = RECEIVED.keep([0, 2])
NAN, THIRD = torch.full((2,), torch.nan), equal(3)


def method() -> None:
    """What returned it."""


def refusal(check: Any, *arguments: Any) -> str:
    """What is said between the method's name and the remedy; empty if it is not refused."""
    try:
        check(method, *arguments)
    except ReturnedError as error:
        return str(error).removeprefix("returned ").partition(": let method")[0]
    return ""


@pytest.mark.parametrize(
    ("aggregate", "updates", "wrong"),
    [
        (Aggregate(ROWS[0], THIRD), RECEIVED, ""),
        (Aggregate(ROWS[0]), RECEIVED, ""),
        (Aggregate(ROWS[0], details={"length": [1.0, 2.0, 3.0]}), RECEIVED, ""),
        (ROWS[0], RECEIVED, "a Tensor, not an Aggregate"),
        (Aggregate(ROWS[0, :1]), RECEIVED, "an update of shape [1]; [2] is right"),
        (Aggregate(ROWS[0].double()), RECEIVED, "an update of torch.float64; torch.float32 is right"),
        (Aggregate(NAN), RECEIVED, "an update whose entry 0 is NaN; finite numbers are right"),
        (Aggregate(NAN), LONG, ""),
        (Aggregate(ROWS[0], THIRD[:2]), RECEIVED, "shares of shape [2]; [3] is right"),
        (Aggregate(ROWS[0], THIRD / 0), RECEIVED, "shares whose entry 0 is inf; finite numbers are right"),
        (Aggregate(ROWS[0], THIRD / 0), LONG, ""),
        (
            Aggregate(ROWS[0], details={"length": [1.0]}),
            RECEIVED,
            "the detail length of 1 entries; 3 are right, one for each client",
        ),
    ],
)
def test_what_is_wrong_with_an_aggregate(aggregate: Any, updates: Updates, wrong: str) -> None:
    assert refusal(require_aggregate, aggregate, updates) == wrong


@pytest.mark.parametrize(("entry", "refused"), [(1.8e19, True), (1.9e19, False)])
def test_what_has_to_be_finite_ends_where_squares_overflow(entry: float, refused: bool) -> None:
    """The root of the largest float32, 3.4e38, is 1.84e19."""
    updates = Updates.received(torch.tensor([[entry, -1.0], [-entry, 0.0]]), equal(2))
    assert bool(refusal(require_aggregate, Aggregate(NAN), updates)) == refused


@pytest.mark.parametrize(
    ("outcome", "before", "wrong"),
    [
        ((RECEIVED, State(), Report()), RECEIVED, ""),
        ((KEPT, State(), Report(THIRD, THIRD > 1, details={"length": [1.0] * 3})), RECEIVED, ""),
        ((UNKNOWN, State(), Report(skipped="no trust")), RECEIVED, ""),
        ((UNKNOWN, State(), Report()), UNKNOWN, ""),
        (None, RECEIVED, "None"),
        ([RECEIVED, State(), Report()], RECEIVED, "a list"),
        ((RECEIVED, State()), RECEIVED, "a tuple"),
        ((ROWS, State(), Report()), RECEIVED, "a Tensor"),
        ((RECEIVED, {}, Report()), RECEIVED, "a dict"),
        ((RECEIVED, State(), None), RECEIVED, "None"),
        ((RECEIVED.keep([1]), State(), Report()), RECEIVED, "1 rows, where 2 to 3 are right"),
        ((replace(KEPT, rows=ROWS[0]), State(), Report()), RECEIVED, "rows of shape [2]; [2, 2] is right"),
        ((replace(KEPT, rows=3), State(), Report()), RECEIVED, "rows of type int; a tensor of shape [2, 2] is right"),
        ((replace(KEPT, rows=KEPT.rows[:, :1]), State(), Report()), RECEIVED, "rows of shape [2, 1]; [2, 2] is right"),
        (
            (replace(KEPT, rows=KEPT.rows / 0), State(), Report()),
            RECEIVED,
            "rows whose entry 0 is inf; finite numbers are right",
        ),
        ((replace(KEPT, rows=KEPT.rows / 0), State(), Report()), LONG, ""),
        ((replace(KEPT, weights=THIRD), State(), Report()), RECEIVED, "weights of shape [3]; [2] is right"),
        (
            (replace(KEPT, weights=KEPT.weights.float()), State(), Report()),
            RECEIVED,
            "weights of torch.float32; torch.float64 is right",
        ),
        (
            (replace(KEPT, mixture=torch.eye(2).double()), State(), Report()),
            RECEIVED,
            "a mixture of shape [2, 2]; [2, 3] is right",
        ),
        ((KEPT, State(), Report()), UNKNOWN, "a mixture, which a stage before could not tell; None is right"),
        ((KEPT, State(), Report(THIRD[:2])), RECEIVED, "a report with scores of shape [2]; [3] is right"),
        (
            (KEPT, State(), Report(flagged=THIRD)),
            RECEIVED,
            "a report with flagged of torch.float64; torch.bool is right",
        ),
        (
            (KEPT, State(), Report(details={"length": [1.0] * 2})),
            RECEIVED,
            "a report with the detail length of 2 entries; 3 are right, one for each client",
        ),
        ((KEPT, State(), Report(skipped="")), RECEIVED, "a report with skipped as ''; a text that says why is right"),
        (
            (KEPT, State(), Report(skipped=True)),  # type: ignore[arg-type]
            RECEIVED,
            "a report with skipped as True; a text that says why is right",
        ),
    ],
)
def test_what_is_wrong_with_an_outcome(outcome: Any, before: Updates, wrong: str) -> None:
    """Of a stage that may leave two or three rows."""
    assert refusal(require_outcome, outcome, before, 2, 3) == wrong


def test_a_number_of_rows_may_be_the_only_right_one() -> None:
    assert refusal(require_outcome, (KEPT, State(), Report()), RECEIVED, 1, 1) == "2 rows, where 1 are right"


def test_remedies() -> None:
    with pytest.raises(ReturnedError, match=r"return updates, state, report, of which the updates is an Updates$"):
        require_outcome(method, (ROWS, State(), Report()), RECEIVED, 2, 3)
    with pytest.raises(ReturnedError, match=r"return updates, state, report, of which the state is a State$"):
        require_outcome(method, (RECEIVED, {}, Report()), RECEIVED, 2, 3)


@pytest.mark.parametrize(
    ("state", "wrong"),
    [
        (State(), ""),
        (State({"mean": torch.ones(2)}, {0: {"sum": torch.ones(2)}, 7: {}}), ""),
        (State([]), "a list; a dict of tensors by their names is right"),  # type: ignore[arg-type]
        (State({}, []), "a list by client; a dict of dicts is right"),  # type: ignore[arg-type]
        (State({}, {-1: {}}), "the client -1; the numbers of server.clients are right"),
        (State({}, {True: {}}), "the client True; the numbers of server.clients are right"),
        (State({}, {"a": {}}), "the client 'a'; the numbers of server.clients are right"),  # type: ignore[dict-item]
        (
            State({}, {3: {"sum": 5}}),  # type: ignore[dict-item]
            "client 3: 'sum', which is int; dense tensors of real numbers are right",
        ),
    ],
)
def test_what_no_checkpoint_could_hold(state: State, wrong: str) -> None:
    assert state_fault(state) == wrong
