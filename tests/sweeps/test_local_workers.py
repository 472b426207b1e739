"""Worker processes, and code of the user's in them that does what it should not."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from helpers.waiting import PATIENCE
from small import small
from smallgrid import grid_of, swept

from fedlens.simulation.callback import Event
from fedlens.sweeps.local_executor import LocalExecutor
from fedlens.sweeps.tasks import Task

MINE = """
import os, sys
from fedlens import Attack

class Printing(Attack):
    def craft(self, view):
        print("printed", view.round)
        os.write(1, b"written\\n")
        return view.train()

class Reading(Printing):
    def craft(self, view):
        return view.train() if sys.stdin.readline() == "" else None

class Raising(Printing):
    def craft(self, view):
        if view.round == 2:
            raise ValueError("too late")
        return view.train()

class Exiting(Printing):
    def craft(self, view):
        os._exit(0)

class Killed(Printing):
    def craft(self, view):
        os.kill(os.getpid(), 9)

class Leaving(Printing):
    def craft(self, view):
        sys.exit("enough")
"""


def test_whatever_a_users_attack_does_the_other_cells_go_on(here: Path) -> None:
    (here / "mine.py").write_text(MINE)
    (here / "random.py").write_text("raise RuntimeError('a file of the user, and not the module that Python has')")
    attacks = [f"mine:{name}" for name in ("Raising", "Exiting", "Leaving", "Killed", "Reading", "Printing")]
    sweep = swept(grid_of({"attack": attacks}), LocalExecutor, jobs=1, engine="serial")
    reasons = {cell.values["attack"]: reason for cell, reason in sweep.failures}
    assert set(reasons) == set(attacks[:4])
    assert "in round 2 failed: ValueError: too late" in reasons["mine:Raising"]
    assert "error.txt" in reasons["mine:Raising"]
    assert "died (signal SIGKILL)" in reasons["mine:Killed"]
    assert "workers.log" in reasons["mine:Killed"]
    assert "ended the program: SystemExit(0)" in reasons["mine:Exiting"]
    assert "ended the program: SystemExit('enough')" in reasons["mine:Leaving"]
    log = Path("sweep/workers.log").read_text()
    assert log.count("printed") == log.count("written") == 2
    # once the cause is mended, a cell goes on from its last round
    (here / "mine.py").write_text(MINE.replace("raise ValueError", "print"))
    again = swept(grid_of({"attack": attacks[:1]}), LocalExecutor, jobs=1, engine="serial")
    assert again.failures == []
    path = again.directory.path_of(again.cells[0])
    assert list(again.rounds["round"]) == [1, 2]
    assert (path / "environment.jsonl").read_text().count("\n") == 2
    assert (path / "timings.jsonl").read_text().count('"round": 1') == 1


def at_work() -> list[psutil.Process]:
    """The workers of this process, which may have other children: the cluster of other tests."""
    return [child for child in psutil.Process().children() if "fedlens.sweeps.worker" in child.cmdline()]


def test_a_killed_worker_fails_its_cell_and_what_it_forked_goes_with_it() -> None:
    experiments = [small(rounds=rounds) for rounds in (500, 1)]
    tasks = [Task(str(e.rounds), e, Path(f"run{e.rounds}"), {"engine": "processes", "workers": 2}) for e in experiments]
    told: list[Event] = []
    forked: list[psutil.Process] = []

    def notify(event: Event) -> None:
        told.append(event)
        if event.kind == "round" and event.key == "500" and not forked:
            (worker,) = at_work()
            forked.extend(worker.children())
            forked[0].suspend()  # one that does not see that its parent is gone
            worker.kill()

    with LocalExecutor(1, Path("workers.log")) as executor:
        executor.run(tasks, notify)
    ended = {event.key: event for event in told if event.last}
    assert "died (signal SIGKILL)" in ended["500"].content["reason"]
    assert ended["1"].kind == "finished"
    assert len(forked) == 2
    assert psutil.wait_procs(forked, timeout=PATIENCE)[1] == []
    assert not at_work()


def test_what_goes_wrong_where_events_are_told_ends_all_workers_at_once() -> None:
    def notify(event: Event) -> None:
        if event.kind == "round":
            raise OSError("the terminal is gone")

    tasks = [Task(str(seed), small(rounds=500, seed=seed), Path(str(seed)), {"workers": 1}) for seed in range(3)]
    with pytest.raises(OSError, match="terminal"), LocalExecutor(2, Path("workers.log")) as executor:
        executor.run(tasks, notify)
    assert not at_work()
    assert list(Path().glob("[01]/rounds.jsonl"))
    assert not Path("2").exists()


@pytest.mark.parametrize("group", [None, 0])
def test_a_worker_ends_in_the_middle_of_a_task_when_nobody_is_left(here: Path, group: int | None) -> None:
    task = Task("key", small(rounds=100_000, local={"epochs": 1}), here / "run")
    command = [sys.executable, "-P", "-m", "fedlens.sweeps.worker"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, process_group=group, start_new_session=group is None) as it:
        assert it.stdin is not None
        assert it.stdout is not None
        it.stdin.write(json.dumps(task.plain()).encode() + b"\n")
        it.stdin.flush()
        assert b'"began"' in it.stdout.readline()
        it.send_signal(signal.SIGINT)  # is the parent's business
        for _ in range(2):
            assert b'"round"' in it.stdout.readline()
        it.stdin.close()
        it.wait(timeout=PATIENCE)  # of a run of more hours than that
