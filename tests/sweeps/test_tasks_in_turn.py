from pathlib import Path

import pytest
from small import small

from fedlens.sweeps.tasks import Event, Task
from fedlens.sweeps.waiting import Waiting


def task(**changes: object) -> Task:
    experiment = small(**({"control": True} | changes))
    return Task(experiment.identity(), experiment, Path("nowhere"))


def began(task: Task, *, twin: bool) -> Event:
    return Event(task.key, "began", {"twin": twin, "done": 0, "rounds": 3})


def test_one_makes_the_twin_while_the_others_wait() -> None:
    first, second, other = task(target={"draw": 0}), task(target={"draw": 1}), task(seed=1)
    waiting = Waiting([first, second, other])
    assert waiting.take() is first
    assert waiting.take() is other
    waiting.note(began(first, twin=True))
    waiting.note(Event(first.key, "round", {"round": 1}))
    assert waiting.take() is None
    waiting.note(began(first, twin=False))
    assert waiting.take() is second
    assert waiting.take() is None


@pytest.mark.parametrize("end", ["finished", "failed"])
def test_the_next_one_goes_when_the_first_is_over(end: str) -> None:
    tasks = [task(target={"draw": draw}) for draw in range(3)]
    waiting = Waiting(tasks)
    first = waiting.take()
    assert first is not None
    waiting.note(Event(first.key, end, {"reason": ""}))
    assert waiting.take() is tasks[1]
    # after a failure the twin is still to be made
    assert (waiting.take() is None) == (end == "failed")


def test_without_a_twin_nobody_waits() -> None:
    tasks = [task(control=False, target={"draw": draw, "select": "random"}) for draw in range(2)]
    waiting = Waiting(tasks)
    assert [waiting.take(), waiting.take()] == tasks


def test_a_run_without_attack_makes_the_twin_of_others_until_it_is_complete() -> None:
    benign, attacked, other = task(attack=None), task(), task(seed=1)
    waiting = Waiting([benign, attacked, other])
    assert [waiting.take(), waiting.take()] == [benign, other]
    waiting.note(began(benign, twin=False))
    assert waiting.take() is None
    waiting.note(Event(benign.key, "finished"))
    assert waiting.take() is attacked


def test_a_run_that_may_end_early_makes_no_twin() -> None:
    tasks = [task(attack=None, stop_at=0.5), task()]
    waiting = Waiting(tasks)
    assert [waiting.take(), waiting.take()] == tasks
