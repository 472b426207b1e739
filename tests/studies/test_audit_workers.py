"""Workers of forked rounds: the same to the bit in one process or several, and the failure of an arm is its own."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from auditing import audited

from fedlens.core.errors import DataError, RunError, UnjudgedError
from fedlens.data.loading import load
from fedlens.experiment.experiment import Experiment
from fedlens.simulation.runtime import Runtime
from fedlens.studies.audit import forked_tasks
from fedlens.studies.audit.arms import Arm
from fedlens.studies.audit.forked_tasks import HELD, attack
from fedlens.studies.audit.forks import HERE
from fedlens.studies.audit.ledger import Ledger
from fedlens.studies.audit.screening import Screening
from fedlens.studies.audit.subject import Subject
from fedlens.studies.audit.tried import TRIED, Fork, Tried
from fedlens.studies.audit.workers import Workers
from fedlens.sweeps import sweep_runtime
from fedlens.sweeps.in_process import InProcessExecutor
from fedlens.sweeps.sweep_runtime import SweepRuntime
from fedlens.sweeps.tasks import Notify, Task

RULE = """
import os

from fedlens import Aggregate, Rule


class Touchy(Rule):
    def aggregate(self, received):
        longest = float(received.updates.norm(dim=1).max())
        if longest > 1e4:
            os.kill(os.getpid(), 9)
        if longest > 100:
            raise ValueError("too long")
        return Aggregate(received.updates.mean(dim=0))
"""

MILD, LONG, DEADLY = (Arm("explicit-boosting", {"boost": boost}) for boost in (2, 1000, 1000000))
FORKS = [Fork(0, round_, arm, eta) for arm in (MILD, LONG) for round_ in (1, 2) for eta in (None, 0.3)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory, with a rule of the user's that dislikes long updates."""
    path = tmp_path_factory.mktemp("mine")
    (path / "touchy27.py").write_text(RULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        yield path


def screening(folder: Path, runtime: SweepRuntime, told: list[str], **changes: Any) -> tuple[Screening, Workers]:
    subject = Subject.of(audited(**changes), accuracy_cost=0.03)
    folder.mkdir(exist_ok=True)
    workers = Workers(subject, folder, runtime, memory=1)
    return Screening(subject, Ledger(folder), workers, tell=told.append), workers


def timeless(tried: Tried | None) -> Tried | None:
    return tried and replace(tried, forked=tried.forked and replace(tried.forked, seconds=0.0))


@pytest.fixture(scope="module")
def alone(folder: Path) -> list[Tried | None]:
    """What the functions return in this process, without any executor."""
    subject, found = Subject.of(audited(aggregation="touchy27:Touchy"), 0.03), []
    for fork in FORKS:
        given = {"arm": asdict(fork.arm), "round_": fork.round, "eta": fork.eta}
        found.append(TRIED.validate_python(attack(subject.with_seed("search", 0), HERE, 1, **given)))
    HELD.release()
    return [timeless(one) for one in found]


def test_two_workers_give_the_bits_of_one_process_and_outlive_an_arm_that_kills_one(
    folder: Path, alone: list[Tried | None]
) -> None:
    told: list[str] = []
    mine, workers = screening(folder / "two", SweepRuntime(jobs=2), told, aggregation="touchy27:Touchy")
    deadly = Fork(0, 1, DEADLY)
    with workers:
        mine.attack([FORKS[0], deadly, *FORKS])
    assert [timeless(mine.tried(fork)) for fork in FORKS] == alone
    killed = mine.tried(deadly)
    assert killed is not None
    assert killed.error.startswith("the worker process died (signal SIGKILL)")
    assert told[0] == "a benign twin; 9 single rounds to go"
    assert [int(words.split()[-3]) for words in told[1:]] == list(range(9))[::-1]
    kept = Ledger(folder / "two")
    assert all(kept.has(fork.kind, fork.key) for fork in FORKS)
    assert not kept.has("fork", deadly.key)  # the same command tries it again


@pytest.mark.acceptance  # it takes long
@pytest.mark.xdist_group("ray")
def test_forked_rounds_on_ray_are_the_bits_of_one_process(folder: Path, alone: list[Tried | None]) -> None:
    pytest.importorskip("ray", reason="needs fedlens[ray]")
    mine, workers = screening(folder / "ray", SweepRuntime(jobs=2, on="ray"), [], aggregation="touchy27:Touchy")
    with workers:
        mine.attack(FORKS)
    assert [timeless(mine.tried(fork)) for fork in FORKS] == alone


def test_what_a_machine_of_a_cluster_sends_back_is_the_same(
    folder: Path, alone: list[Tried | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function that Ray calls there, called here; no files come back."""
    pytest.importorskip("ray", reason="needs fedlens[ray]")
    from fedlens.cluster.packed_data import PackedDataset
    from fedlens.cluster.remote_tasks import SharedOptions, run_cell
    from fedlens.cluster.shared_inputs import plain

    sent: list[Task] = []

    class Sending(InProcessExecutor):
        def run(self, tasks: Sequence[Task], notify: Notify) -> None:
            sent.extend(tasks)

    monkeypatch.setattr(sweep_runtime, "LocalExecutor", Sending)
    mine, workers = screening(folder / "afar", SweepRuntime(jobs=1), [], aggregation="touchy27:Touchy")
    with workers:
        mine.attack(FORKS[:1])
    [task] = sent
    dataset = PackedDataset.of(load(mine.subject.experiment.data))
    result = run_cell(plain(task), {}, dataset, SharedOptions(lambda _: None, None))  # type: ignore[arg-type]
    HELD.release()
    assert (result.files, result.reason) == ({}, "")
    assert timeless(TRIED.validate_python(result.value)) == alone[0]


def test_an_arm_that_makes_the_server_fail_has_its_error_and_the_others_have_none(alone: list[Tried | None]) -> None:
    errors = [one.error for one in alone if one is not None]
    assert errors[:4] == [""] * 4
    assert all("too long" in error for error in errors[4:])


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_runtime, "LocalExecutor", InProcessExecutor)


def test_a_seed_with_nothing_to_attack_is_noted_and_skipped_and_if_all_are_the_reason_is_raised(
    folder: Path, monkeypatch: pytest.MonkeyPatch, in_process: None
) -> None:
    """Of five seeds the second can be attacked; then of none of them."""
    asked: list[int] = []
    mine, workers = screening(folder / "seeds", SweepRuntime(jobs=1), [])
    able = {mine.subject.seed("search", 1)}

    def note(experiment: Experiment, runtime: Runtime, memory: int) -> None:
        asked.append(experiment.seed)
        if experiment.seed not in able:
            raise UnjudgedError("no sample is right", ["train for longer, e.g. -o rounds=20"])

    monkeypatch.setattr(forked_tasks, "note", note)
    with workers:
        assert mine.seeds(1) == [1]
        assert asked == [mine.subject.seed("search", number) for number in (0, 1)]
        asked.clear()
        assert mine.seeds(1) == [1]
        assert not asked
    able.clear()
    other, workers = screening(folder / "none", SweepRuntime(jobs=1), [])
    with workers, pytest.raises(UnjudgedError, match=r"no sample is right; train for longer, e\.g\. -o rounds=20"):
        other.seeds(1)


def test_a_twin_that_cannot_be_played_ends_the_audit_with_the_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch, in_process: None
) -> None:
    def note(*_: object, **__: object) -> None:
        raise DataError("digits: the file is gone")

    monkeypatch.setattr(forked_tasks, "note", note)
    mine, workers = screening(folder / "gone", SweepRuntime(jobs=1), [])
    with workers, pytest.raises(RunError, match="digits: the file is gone"):
        mine.seeds(1)
    assert Ledger(folder / "gone").keys("seed") == []
