"""One class of callbacks for runs and sweeps; observers of version 0.1, which derive from nothing, still work."""

from pathlib import Path
from typing import Any

import pytest
from small import small

import fedlens
from fedlens.core.errors import ConfigError
from fedlens.runs.record import RoundRecord
from fedlens.simulation.callback import callback_of


class Heard(fedlens.Callback):
    def __init__(self) -> None:
        self.rounds: list[int] = []
        self.events: list[str] = []
        self.ended = 0

    def round(self, record: RoundRecord) -> None:
        self.rounds.append(record.round)

    def event(self, event: Any) -> None:
        self.events.append(event.kind)

    def end_sweep(self) -> None:
        self.ended += 1


class OldRunObserver:
    """Has four of the five methods of version 0.1."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def begin(self, experiment: fedlens.Experiment, done: int, *, twin: bool) -> None:
        self.heard.append((experiment.rounds, done, twin))

    def clients(self, done: int, total: int) -> None:
        if done == total:
            self.heard.append(total)

    def round(self, record: dict[str, Any]) -> None:
        self.heard.append(record["round"])
        record.clear()

    def end(self) -> None:
        self.heard.append("end")


class OldSweepObserver:
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def begin(self, cells: Any, done: Any, jobs: int) -> None:
        self.heard.append((len(cells), len(done), jobs))

    def event(self, event: Any) -> None:
        self.heard.append(event.kind)

    def end(self) -> None:
        self.heard.append("end")


def grid(**options: Any) -> dict[str, Any]:
    return {"experiment": small(rounds=1).describe(), "product": {"seed": [1, 2]}, **options}


def test_one_callback_serves_a_run_and_a_sweep_and_needs_only_the_methods_it_overrides(tmp_path: Path) -> None:
    heard = Heard()
    fedlens.run(small(rounds=2), tmp_path / "run", observer=heard, engine="serial")
    assert (heard.rounds, heard.events, heard.ended) == ([1, 2], [], 0)
    fedlens.sweep(grid(), tmp_path / "sweep", observer=heard, jobs=1)
    assert (heard.rounds, heard.events, heard.ended) == ([1, 2], ["began", "round", "finished"] * 2, 1)


def test_an_observer_of_version_0_1_hears_of_a_run_and_cannot_change_its_records(tmp_path: Path) -> None:
    old = OldRunObserver()
    run = fedlens.run(small(rounds=2), tmp_path / "run", observer=old, engine="serial")  # type: ignore[arg-type]
    cohort = len(run.records[0].cohort)
    assert old.heard == [(2, 0, False), cohort, 1, cohort, 2, "end"]
    assert run.records[0].round == 1


def test_an_observer_of_version_0_1_hears_of_a_sweep(tmp_path: Path) -> None:
    old = OldSweepObserver()
    fedlens.sweep(grid(), tmp_path / "sweep", observer=old, jobs=1)  # type: ignore[arg-type]
    assert old.heard == [(2, 0, 1), *["began", "round", "finished"] * 2, "end"]


def test_a_callback_is_taken_as_it_is() -> None:
    heard = Heard()
    assert callback_of(heard) is heard


@pytest.mark.parametrize("observer", ["hello", 3, {"round": print}])
def test_what_has_no_method_is_refused(observer: Any) -> None:
    with pytest.raises(ConfigError, match="has no method that could be called; derive a class from fedlens"):
        callback_of(observer)


def test_a_class_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Heard is a class; pass an instance, as in Heard\(\)"):
        callback_of(Heard)


def test_a_sweep_calls_todays_names_without_a_base(tmp_path: Path) -> None:
    class New:
        ended = 0

        def end_sweep(self) -> None:
            self.ended += 1

    new = New()
    fedlens.sweep(grid(), tmp_path / "sweep", observer=new, jobs=1)  # type: ignore[arg-type]
    assert new.ended == 1
