from pathlib import Path

import pytest
from small import small

from fedlens.simulation.callback import Event
from fedlens.sweeps.task_queue import TaskQueue
from fedlens.sweeps.tasks import Task


def task(**changes: object) -> Task:
    experiment = small(**({"control": True} | changes))
    return Task(experiment.identity(), experiment, Path("nowhere"))


def began(task: Task, control: str | None = None) -> Event:
    return Event(task.key, "began", {"control": control, "done": 0, "rounds": 3})


def test_one_makes_the_twin_while_the_others_wait() -> None:
    first, second, other = task(target={"draw": 0}), task(target={"draw": 1}), task(seed=1)
    queue = TaskQueue([first, second, other])
    assert queue.take() is first
    assert queue.take() is other
    queue.note(began(first, "benign twin"))
    queue.note(Event(first.key, "round", {"round": 1}))
    assert queue.take() is None
    queue.note(began(first))
    assert queue.take() is second
    assert queue.take() is None


@pytest.mark.parametrize("end", ["finished", "failed"])
def test_the_next_one_goes_when_the_first_is_over(end: str) -> None:
    tasks = [task(target={"draw": draw}) for draw in range(3)]
    queue = TaskQueue(tasks)
    first = queue.take()
    assert first is not None
    queue.note(Event(first.key, end, {"reason": ""}))
    assert queue.take() is tasks[1]
    # after a failure the twin is still to be made
    assert (queue.take() is None) == (end == "failed")


def test_without_a_twin_nobody_waits() -> None:
    tasks = [task(control=False, target={"draw": draw, "select": "random"}) for draw in range(2)]
    queue = TaskQueue(tasks)
    assert [queue.take(), queue.take()] == tasks


def test_a_run_without_attack_makes_the_twin_of_others_until_it_is_complete() -> None:
    benign, attacked, other = task(attack=None), task(), task(seed=1)
    queue = TaskQueue([benign, attacked, other])
    assert [queue.take(), queue.take()] == [benign, other]
    queue.note(began(benign))
    assert queue.take() is None
    queue.note(Event(benign.key, "finished"))
    assert queue.take() is attacked


def test_a_run_that_may_end_early_makes_no_twin() -> None:
    tasks = [task(attack=None, stop_at=0.5), task()]
    queue = TaskQueue(tasks)
    assert [queue.take(), queue.take()] == tasks


def robust(**changes: object) -> Task:
    """A task with a benign twin and a placebo."""
    return task(**({"aggregation": "median", "clients": 5, "attack": {"name": "data-poisoning"}} | changes))


def test_nobody_begins_while_another_makes_one_of_its_two_controls() -> None:
    first, second = robust(), robust(target={"draw": 1, "select": "random"})
    twin_only = robust(placebo=False)
    other_client = robust(attack={"name": "data-poisoning", "client": 0})
    queue = TaskQueue([first, second, twin_only, other_client])
    assert queue.take() is first
    assert queue.take() is None
    for control in ("benign twin", "client absent"):
        queue.note(began(first, control))
        assert queue.take() is None
    queue.note(began(first))
    assert [queue.take() for _ in range(3)] == [second, twin_only, other_client]


def test_all_get_their_turn_and_no_control_is_made_by_two_at_once() -> None:
    clients, draws = (0, 1), range(2)
    tasks = [
        robust(attack={"name": "data-poisoning", "client": client}, target={"draw": draw}, seed=seed)
        for draw in draws for client in clients for seed in (0, 1)
    ]  # fmt: skip
    queue, at_work, done = TaskQueue(tasks), list[Task](), list[Task]()
    known = set[str]()
    while len(done) < len(tasks):
        while (taken := queue.take()) is not None:
            at_work.append(taken)
        making = [{one.identity() for one in task.experiment.controls.values()} - known for task in at_work]
        assert len(set[str]().union(*making)) == sum(map(len, making))
        first = at_work.pop(0)  # there has to be one
        queue.note(began(first))
        queue.note(Event(first.key, "finished"))
        known |= {one.identity() for one in first.experiment.controls.values()}
        done.append(first)
    assert {task.key for task in done} == {task.key for task in tasks}
    assert len(known) == 2 + 4


def test_a_failure_in_a_control_lets_the_next_one_make_both() -> None:
    first, second, third = (robust(target={"draw": draw}) for draw in range(3))
    queue = TaskQueue([first, second, third])
    queue.take()
    queue.note(began(first, "client absent"))
    queue.note(Event(first.key, "failed", {"reason": ""}))
    assert queue.take() is second
    assert queue.take() is None
