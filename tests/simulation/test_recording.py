"""Norms, distances and histograms are recorded because the experiment says so, whatever checks are on."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from small import small
from torch import Tensor

import fedlens
from fedlens import Attack, View
from fedlens.core.errors import ConfigError, DamagedRunError
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.measures import MEASURES
from fedlens.report.figures.figures import draw, save_figure
from fedlens.simulation.engines.serial import Serial

ALL = ["norms", "distances", "histograms"]
CHECKS = ["distances", "statistics"]
NAMES = [name for names in MEASURES.values() for name in names]
STEALTH = ["distance_gap", "wasserstein", "benign_wasserstein"]


def played(folder: Path, **changes: Any) -> fedlens.Run:
    """A run whose directory has the same name whatever is changed, as figures show it."""
    engine = changes.pop("engine", "serial")
    return fedlens.run(small(rounds=2, clients=6, **changes), folder / "run", engine=engine)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> fedlens.Run:
    return played(tmp_path_factory.mktemp("checked"), checks=CHECKS)


@pytest.fixture(scope="module", params=["serial", "processes"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> fedlens.Run:
    return played(tmp_path_factory.mktemp("recorded"), record=ALL, engine=request.param)


def numbers(run: fedlens.Run) -> list[dict[str, Any]]:
    return [{name: client.measure(name) for name in NAMES} for record in run.records for client in record.clients]


def written(run: fedlens.Run) -> list[dict[str, Any]]:
    """The run's lines, without what was measured."""
    lines = [json.loads(line) for line in (run.path / "rounds.jsonl").read_text().splitlines()]
    for line in lines:
        for client in line["clients"]:
            client.pop("measured", None)
            client.pop("checks")
    return lines


# What is recorded


def test_without_checks_the_numbers_are_theirs(checked: fedlens.Run, recorded: fedlens.Run) -> None:
    assert numbers(recorded) == numbers(checked)
    assert all(value is not None for client in numbers(recorded) for value in client.values())
    assert recorded.rounds[STEALTH].equals(checked.rounds[STEALTH])
    assert not recorded.rounds[STEALTH].isna().any(axis=None)
    for round_ in (1, 2):
        ours, theirs = recorded.tables(round_), checked.tables(round_)
        assert [*ours] == ["recording.histogram"]
        assert torch.equal(ours["recording.histogram"], theirs["statistics.histogram"])


@pytest.mark.parametrize("kind", ["updates", "evolution", "distances"])
def test_so_are_the_figures(kind: Any, checked: fedlens.Run, recorded: fedlens.Run, tmp_path: Path) -> None:
    pictures = [
        save_figure(draw(kind, [run]), tmp_path / f"{index}.png") for index, run in enumerate((checked, recorded))
    ]
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


def test_a_run_that_was_read_is_the_same(recorded: fedlens.Run) -> None:
    found = fedlens.load_run(recorded.path)
    assert found.records == recorded.records
    assert found.experiment.recorded == recorded.experiment.recorded == tuple(ALL)


def test_it_changes_no_other_number(recorded: fedlens.Run, tmp_path: Path) -> None:
    plain = played(tmp_path)
    assert written(plain) == written(recorded)
    assert torch.equal(plain.weights(), recorded.weights())
    assert set(plain.records[0].clients[0].measured) == set()
    assert not (plain.path / "checks").exists()


def test_nothing_is_written_twice(checked: fedlens.Run, tmp_path: Path) -> None:
    both = played(tmp_path, checks=CHECKS, record=ALL)
    assert (both.path / "rounds.jsonl").read_bytes() == (checked.path / "rounds.jsonl").read_bytes()
    assert [*both.tables(1)] == ["statistics.histogram"]


def test_what_no_check_measures_is_recorded_beside_it(checked: fedlens.Run, tmp_path: Path) -> None:
    run = played(tmp_path, checks=[{"name": "statistics", "bins": 7}], record=["distances"])
    assert {*run.records[0].clients[0].measured} == {"range", "others"}
    theirs = numbers(checked)
    assert [client["others"] for client in numbers(run)] == [client["others"] for client in theirs]
    assert run.tables(1)["statistics.histogram"].shape == (6, 7)
    draw("updates", [run])


# Who has none


def test_a_figure_says_what_to_record(tmp_path: Path) -> None:
    run = played(tmp_path, record=["distances"])
    draw("distances", [run])
    wanted = r"no histograms were kept; run it with -o 'record=\[distances, histograms, norms\]'"
    with pytest.raises(ConfigError, match=wanted):
        draw("evolution", [run])


class Hole(Attack):
    """Sends an update with an infinite entry."""

    def craft(self, view: View) -> Tensor:
        update = view.train()
        update[7] = torch.inf
        return update


def test_a_malformed_update_is_not_measured(tmp_path: Path) -> None:
    run = played(tmp_path, record=ALL, attack=Hole(client=2))
    for record in run.records:
        assert [bool(client.measured) for client in record.clients] == [True, True, False, True, True, True]
        assert len(run.tables(record.round)["recording.histogram"]) == 5
    assert run.rounds[STEALTH].isna().all(axis=None)
    assert repr(fedlens.load_run(run.path).records) == repr(run.records)  # a loss is NaN, which equals nothing
    draw("evolution", [run])


def test_where_all_are_malformed_there_is_nothing_to_record() -> None:
    local = {"epochs": 1, "batch_size": 50, "optimizer": "sgd", "learning_rate": 1e30}
    results = [*fedlens.simulate(small(local=local, attack=None, record=ALL, rounds=1), engine="serial")]
    assert results[0].tables == {}
    assert [client.measured for client in results[0].record.clients] == [{}] * 4


def test_numbers_that_are_gone_are_missed(recorded: fedlens.Run, tmp_path: Path) -> None:
    for number, (change, words) in enumerate(
        [
            ({"measured": {}}, r"measured.norm: missing"),
            ({"measured": {"norm": [1.0]}}, r"measured.norm: a list where a number is expected"),
            ({"malformed": True}, r"measured: of a malformed update"),
        ]
    ):
        copied = tmp_path / str(number)
        copied.mkdir()
        for name in ("experiment.yaml", "target.json"):
            (copied / name).write_bytes((recorded.path / name).read_bytes())
        lines = [json.loads(line) for line in (recorded.path / "rounds.jsonl").read_text().splitlines()]
        lines[0]["clients"][1] |= change
        (copied / "rounds.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        with pytest.raises(DamagedRunError, match=words):
            fedlens.load_run(copied)


# Whose result it is


def test_the_identity_has_what_checks_do_not_measure_anyway() -> None:
    plain, checked = Experiment(), Experiment(checks=["statistics"])
    assert plain.identity() == Experiment(record=[]).identity()
    assert checked.identity() == Experiment(checks=["statistics"], record=["histograms", "norms"]).identity()
    assert "record" not in checked.relevant()
    more = Experiment(checks=["statistics"], record=["distances"])
    assert more.relevant()["record"] == ALL
    assert more.identity() == Experiment(checks=["statistics"], record=ALL[::-1]).identity()
    assert len({one.identity() for one in (plain, checked, more, Experiment(record=["distances"]))}) == 4
    assert Experiment(record=ALL).twin().identity() == plain.twin().identity()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (["norm"], "record: there is no 'norm'; did you mean norms? e.g. -o 'record=[norms, distances, histograms]'"),
        ("distance", "record: there is no 'distance'; did you mean distances?"),
        (["norms", {}], "record: there is no {}; known: distances, histograms, norms"),
        (5, "record: a list is needed, not 5"),
    ],
)
def test_what_cannot_be_recorded_is_refused(value: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Experiment(record=value)
    assert str(caught.value).startswith(words)


def test_one_alone_needs_no_list() -> None:
    assert Experiment(record="norms").record == ("norms",)
    assert Experiment(record="none").record == ()


def test_recording_is_work_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    run = Serial.run

    def noting(self: Serial, jobs: Any, done: Any) -> Any:
        names.extend(job.name for job in jobs)
        return run(self, jobs, done)

    monkeypatch.setattr(Serial, "run", noting)
    [*fedlens.simulate(small(rounds=1, checks=["distances"], record=ALL), engine="serial")]
    recording = [name for name in names if name.startswith("recording")]
    assert recording == ["recording of norms in round 1", "recording of histograms in round 1"]
