"""A screen: who gets through, why others do not, and what is left where too few do."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fedlens.bridges.wire import MalformedError, Reply, Screen, inspect_updates
from fedlens.core.errors import ConfigError
from fedlens.defences.accuracy_check import AccuracyCheck
from fedlens.defences.distance_ranges import DistanceCheck
from fedlens.defences.update_statistics import StatisticsCheck
from fedlens.runs.inspected import read_inspected

Arrays = dict[str, NDArray[Any]]

SENT: Arrays = {"w": np.full((20, 10), 0.5, np.float32), "b": np.zeros(20, np.float32)}


def honest(client: int) -> Arrays:
    draws = np.random.default_rng(client)
    return {name: (array + draws.normal(0, 0.1, array.shape)).astype(np.float32) for name, array in SENT.items()}


def boosted(client: int) -> Arrays:
    return {name: SENT[name] + 20 * (array - SENT[name]) for name, array in honest(client).items()}


REPLIES = [Reply(str(client), honest(client), 100) for client in range(8)]


def test_what_a_rejecting_check_flags_is_held_back_and_an_observing_one_only_tells() -> None:
    replies = [*REPLIES[:3], Reply("evil", boosted(9), 100), *REPLIES[3:]]
    passed = Screen([DistanceCheck(action="reject"), StatisticsCheck()]).passed(4, SENT, replies)
    assert passed.kept == [0, 1, 2, 4, 5, 6, 7, 8]
    evil = passed.found.clients[3]
    assert (evil.client, evil.rejected, evil.flagged_by) == ("evil", True, ["distances", "statistics"])
    assert Screen([DistanceCheck()]).passed(4, SENT, replies).kept == list(range(9))
    expected = honest(3)["w"].ravel() - 0.5
    assert np.allclose(passed.rows[3, :200], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply("x", fault="it is an error: out of memory"), "out of memory"),
        (Reply("x", SENT | {"b": np.full(20, np.inf)}, 100), "entry 0 of b is inf"),
        (Reply("x", {"w": SENT["w"]}, 100), "'b' is missing"),
        (Reply("x", honest(1), float("nan")), "it claims nan samples"),
        (Reply("x", honest(1), -800), "it claims -800 samples"),
        (Reply("x", honest(1), [100]), r"it claims \[100\] samples; a number is right"),
        (Reply("x", honest(1), True), "it claims True samples"),
    ],
)
def test_what_is_malformed_is_dropped_before_any_check(reply: Reply, words: str) -> None:
    alone = Screen([DistanceCheck(action="reject")]).passed(1, SENT, REPLIES)
    passed = Screen([DistanceCheck(action="reject")]).passed(1, SENT, [reply, *REPLIES])
    assert passed.kept == [place + 1 for place in alone.kept]
    assert passed.found.clients[1:] == alone.found.clients
    first = passed.found.clients[0]
    assert first.rejected
    assert not first.checks
    assert re.search(words, first.fault)


def test_claims_are_capped_at_a_multiple_of_the_median() -> None:
    replies = [Reply(str(client), honest(client), count) for client, count in enumerate([10, 20, 30, 10**6])]
    assert Screen([], cap=2).passed(1, SENT, replies).examples == [10, 20, 30, 50]
    passed = Screen([]).passed(1, SENT, replies)
    assert passed.examples == [10, 20, 30, 10**6]
    assert [client.examples for client in passed.found.clients] == [10, 20, 30, 10**6]
    without = [Reply(str(client), honest(client)) for client in range(3)]
    assert Screen([], cap=2).passed(1, SENT, without).examples == [None] * 3


def test_where_too_few_are_left_nothing_is_passed_on() -> None:
    replies = [*REPLIES[:2], Reply("x", fault="gone")]
    passed = Screen([], least=3).passed(1, SENT, replies)
    assert (passed.kept, passed.examples, len(passed.rows)) == ([], [], 0)
    assert passed.found.skipped == "2 of 3 replies are left, and 3 are needed"
    assert Screen([], least=2).passed(1, SENT, replies).kept == [0, 1]
    assert Screen([]).passed(1, SENT, []).found.skipped == "0 of 0 replies are left, and 1 are needed"


def test_the_log_is_what_a_report_shows_and_the_record_can_be_inspected(tmp_path: Path) -> None:
    screen = Screen(
        [DistanceCheck(action="reject")], log=tmp_path / "logs/screening.jsonl", record=tmp_path / "updates"
    )
    rounds = [screen.passed(number, SENT, [*REPLIES, Reply("St/9", boosted(9), 100)]).found for number in (1, 2)]
    logged = read_inspected(tmp_path / "logs/screening.jsonl")
    assert list(logged.rounds) == rounds
    again = inspect_updates(tmp_path / "updates", tmp_path / "out", [DistanceCheck(action="reject")])
    assert {client.client for client in again.rounds[1].clients} == {client.client for client in rounds[1].clients}
    flagged = [client.client for client in again.rounds[1].clients if client.flagged_by]
    assert flagged == ["St/9"]


def test_what_the_server_sent_has_to_be_finite() -> None:
    with pytest.raises(MalformedError, match="entry 0 of w is NaN"):
        Screen([]).passed(1, {"w": np.array([[np.nan]])}, [])


def test_options_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="accuracy needs a validation set"):
        Screen([AccuracyCheck()])
    for cap in (0.5, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match=r"cap: a number of at least 1 is needed"):
            Screen([], cap=cap)
