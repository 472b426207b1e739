import pytest
from small import small

from fedlens.report.terminal.pace import Pace
from fedlens.simulation.callback import Event


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def played(pace: Pace, clock: Clock, key: str, round_: int, seconds: float) -> None:
    clock.now += seconds
    pace.note(Event(key, "round", {"round": round_}))


def began(pace: Pace, key: str, done: int = 0, rounds: int = 10, control: str | None = None) -> None:
    pace.note(Event(key, "began", {"control": control, "done": done, "rounds": rounds}))


def test_each_kind_has_its_own_pace_and_unknown_ones_the_mean() -> None:
    clock = Clock()
    left = {
        "slow": small(rounds=10),
        "fast": small(rounds=10, attack=None),
        "unknown": small(rounds=10, clients=7, attack=None),
    }
    pace = Pace(left, 1, clock)
    assert pace.seconds_left() is None
    began(pace, "slow")
    played(pace, clock, "slow", 1, 3)
    assert pace.progress("slow") == (1, 10, None)
    began(pace, "fast", done=8)
    played(pace, clock, "fast", 9, 1)
    assert pace.seconds_left() == pytest.approx(9 * 3 + 1 * 1 + 10 * 2)
    pace.note(Event("slow", "finished"))
    pace.note(Event("unknown", "failed", {"reason": ""}))
    assert pace.seconds_left() == pytest.approx(1)


def test_jobs_share_the_work_as_long_as_there_is_some_for_each() -> None:
    clock = Clock()
    pace = Pace({str(seed): small(rounds=10, seed=seed) for seed in range(4)}, 3, clock)
    began(pace, "0")
    played(pace, clock, "0", 1, 3)
    assert pace.seconds_left() == pytest.approx(3 * 39 / 3)
    for key in "123":
        pace.note(Event(key, "finished"))
    assert pace.seconds_left() == pytest.approx(3 * 9)


def test_a_twin_that_is_being_made_counts_before_its_run() -> None:
    clock = Clock()
    pace = Pace({"cell": small(rounds=10, control=True)}, 1, clock)
    began(pace, "cell", control="benign twin")
    played(pace, clock, "cell", 1, 2)
    assert pace.progress("cell") == (1, 10, "benign twin")
    assert pace.seconds_left() == pytest.approx(2 * (9 + 10))
