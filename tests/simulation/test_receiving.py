"""Updates that are no numbers, or too long for a model: what reaches the server, and what becomes of a run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.calling import called
from small import small
from torch import Tensor, nn

import fedlens
from fedlens.attacks.attack import Attack, View
from fedlens.core.documents import dumps, revived
from fedlens.core.errors import ClientError, ConfigError
from fedlens.defences.detector import Detector, Inspection, Verdict
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.models.model import Model
from fedlens.runs.loading import load_experiment
from fedlens.runs.round_result import RoundResult
from fedlens.runs.run_summary import Malformed
from fedlens.simulation.engines import Engine
from fedlens.simulation.engines.processes import Processes
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.receiving import receive
from fedlens.simulation.rounds import federate


class Sends(Attack):
    """Sends an honest update with one entry, or all of them, replaced."""

    value: str = "nan"
    everywhere: bool = False
    rounds: tuple[int, ...] = (1, 2, 3)

    def craft(self, view: View) -> Tensor:
        update = view.train()
        if view.round in self.rounds:
            update[slice(None) if self.everywhere else 7] = float(self.value)
        return update


class Fourth(Detector):
    """Suspects the last of five."""

    def inspect(self, seen: Inspection) -> Verdict:
        return Verdict(torch.zeros(5, dtype=torch.float64), torch.arange(5) == 4)


class Nothing(Rule):
    """Goes wrong by itself."""

    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(received.updates[0] * float("nan"))


RULES: list[Any] = [
    "mean",
    {"name": "krum", "f": 0},
    {"name": "krum-authors", "f": 0},
    {"name": "multi-krum", "f": 0},
    "median",
    {"name": "trimmed-mean", "f": 1},
    "geometric-median",
    {"name": "bulyan", "f": 0},
    {"name": "norm-clipping", "max_norm": 1},
]


def play(experiment: Experiment, make: Callable[[], Engine] = Serial) -> list[RoundResult]:
    with make() as engine:
        return list(federate(prepare(experiment).with_target(None), engine))


def sending(value: str, **changes: Any) -> Experiment:
    attack = Sends(value=value, boost=1, **changes.pop("attack", {}))
    return small(attack=attack, **{"clients": 5, "rounds": 2, **changes})


def test_rows_are_moved_together_and_weights_renormalised() -> None:
    updates = torch.arange(8.0).view(4, 2)
    updates[1, 0] = torch.nan
    updates[2, 1] = -torch.inf
    found = receive(updates, torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64))
    assert found.rows == [0, 3]
    assert found.updates.tolist() == [[0, 1], [6, 7]]
    assert found.alpha.tolist() == pytest.approx([0.2, 0.8])


def test_a_round_of_finite_updates_is_received_as_it_is() -> None:
    updates, alpha = torch.ones(3, 2), torch.tensor([0.5, 0.3, 0.2])
    found = receive(updates, alpha)
    assert found.rows == [0, 1, 2]
    assert found.alpha is alpha
    assert found.updates.data_ptr() == updates.data_ptr()


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_one_that_is_no_number_is_rejected_and_the_round_goes_on(rule: Any, value: str) -> None:
    experiment = sending(value, aggregation=rule)
    for result in play(experiment):
        record = result.record
        assert record.malformed == record.rejected == [4]
        assert record.skipped is None
        assert record.effective_weights is not None
        assert len(record.effective_weights) == 5
        assert record.effective_weights[4] == 0
        assert bool(result.state.weights.isfinite().all())
        assert record.quality.accuracy > 0.1


def test_the_others_make_the_model_as_if_a_check_had_rejected_it() -> None:
    by_check = sending("nan", checks=[Fourth(action="reject")], attack={"rounds": ()})
    for one, other in zip(play(sending("nan")), play(by_check), strict=True):
        assert torch.equal(one.state.weights, other.state.weights)
        assert one.record.effective_weights == other.record.effective_weights
        assert other.record.malformed == []


@pytest.mark.parametrize("make", [Serial, lambda: Processes(2)], ids=["serial", "processes"])
def test_checks_do_not_see_it(make: Callable[[], Engine]) -> None:
    checks = ["distances", "statistics", {"name": "accuracy", "action": "reject", "threshold": 0}]
    for result in play(sending("nan", checks=checks, validation=100, clients=6, attack={"client": 2}), make):
        record = result.record
        assert record.malformed == [2]
        assert set(record.malformed) <= set(record.rejected)
        checks = [[*client.checks] for client in record.clients if not client.malformed]
        assert checks == [["distances", "statistics", "accuracy"]] * 5
        assert record.clients[2].checks == {}
        assert len(result.tables["statistics.histogram"]) == 5


def test_where_everybody_sends_such_the_model_stays_as_it_is() -> None:
    local = {"epochs": 1, "batch_size": 50, "optimizer": "sgd", "learning_rate": 1e30}
    for result in play(small(local=local, attack=None, checks=["distances", "statistics"])):
        assert result.record.malformed == [0, 1, 2, 3]
        assert result.record.skipped == "0 of 0 updates passed the checks, and the rule needs 1"
        assert result.record.effective_weights == [0.0] * 4
        assert all(client.checks == {} for client in result.record.clients)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("value", ["1e38", "3.4e38"])
def test_a_long_one_is_the_rules_business(rule: Any, value: str) -> None:
    told = {**rule, "f": 1} if isinstance(rule, dict) and "f" in rule else rule
    results = play(sending(value, aggregation=told, attack={"everywhere": True}, clients=7))
    records = [result.record for result in results]
    assert not any(record.malformed for record in records)
    if rule == "mean":
        assert bool(results[-1].state.weights.isfinite().all())  # but what it answers is not
        assert [record.destroyed for record in records] == [True]
    else:
        assert [record.destroyed for record in records] == [False, False]
        assert records[-1].quality.accuracy > 0.1


@pytest.mark.parametrize("round_", [1, 2, 3])
def test_a_model_that_is_destroyed_ends_the_run_in_that_round(round_: int) -> None:
    results = play(sending("3e38", rounds=4, attack={"everywhere": True, "rounds": (round_,)}))
    assert [result.record.destroyed for result in results] == [False] * (round_ - 1) + [True]


def test_a_rule_that_makes_nonsense_of_short_updates_is_to_blame_itself() -> None:
    with pytest.raises(ClientError, match="rule Nothing, in round 1, returned an update whose entry 0 is"):
        play(small(aggregation=Nothing(), attack=None))


class Answerless(Model):
    """Answers with no numbers from the beginning, but trains."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        class Broken(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = nn.Sequential(nn.Flatten(), nn.Linear(64, classes))

            def forward(self, x: Tensor) -> Tensor:
                found: Tensor = self.inner(x)
                return found if self.training else found * float("nan")

        return Broken()


def test_a_model_that_never_answered_in_numbers_was_not_destroyed() -> None:
    results = play(small(model=Answerless(), attack=None))
    assert [result.record.destroyed for result in results] == [False] * 3


# A run from the command line to the page


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with malformed updates in some rounds, and one whose model was destroyed in the third."""
    folder = tmp_path_factory.mktemp("made")
    checks = ["distances", "statistics"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDLENS_CACHE", str(folder / "cache"))
        target = {"select": "random"}
        malformed = sending("nan", rounds=3, checks=checks, control=True, target=target, attack={"rounds": (1, 3)})
        fedlens.run(malformed, folder / "malformed", engine="serial")
        long = {"everywhere": True, "rounds": (3,)}
        destroyed = sending("3e38", rounds=5, checks=checks, control=True, target=target, attack=long)
        fedlens.run(destroyed, folder / "destroyed", engine="serial")
    return folder


def test_the_record_and_the_summary_say_so(made: Path) -> None:
    run = fedlens.load_run(made / "malformed")
    assert [record.malformed for record in run.records] == [[4], [], [4]]
    assert run.summary is not None
    assert run.summary.malformed == Malformed(updates=2, rounds=2, clients=[4])
    assert run.summary.defence.malformed == 2
    assert not any("honest" in flag for flag in run.flags)
    assert len(run.checks[run.checks["check"] == "distances"]) == 4 + 5 + 4
    assert run.checks["guilty"].sum() == 2  # in the second round, by both checks
    assert "destroyed" not in run.summary


def test_a_destroyed_run_is_complete_and_says_so(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = fedlens.load_run(made / "destroyed")
    assert run.summary is not None
    assert (run.summary.rounds, run.summary.destroyed) == (3, 3)
    assert "destroyed in round 3" in run.flags[0] or "destroyed in round 3" in run.flags[1]
    code, printed, _ = called(capsys, "show", made / "destroyed")
    assert code == 0
    words = " ".join(printed.split())
    assert "Destroyed: in round 3 the global model ceased to be finite, by what the rule mean made" in words
    assert "client 4" not in printed.partition("Destroyed")[2]


def test_it_is_not_played_on(made: Path, tmp_path: Path) -> None:
    path = shutil.copytree(made / "destroyed", tmp_path / "run")
    (path / "summary.json").unlink()
    assert len(fedlens.run(load_experiment(path), path, resume=True, engine="serial").records) == 3
    assert (path / "rounds.jsonl").read_bytes() == (made / "destroyed/rounds.jsonl").read_bytes()


@pytest.mark.parametrize("which", ["malformed", "destroyed"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["show"],
        ["report"],
        ["compare"],
        *(["plot", "--kind", kind] for kind in ("metrics", "evolution", "distances", "selection", "checks")),
        ["plot", "--kind", "updates", "--round", "2"],
    ],
    ids=" ".join,
)
def test_it_can_be_looked_at(
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    which: str,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments[-2:] == ["--round", "2"] and which == "destroyed":
        arguments = [*arguments[:-1], "3"]
    code, _, err = called(capsys, arguments[0], made / which, *arguments[1:])
    assert code == 0, err


def test_both_beside_each_other(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = called(capsys, "report", made / "malformed", made / "destroyed")
    assert code == 0, err


@pytest.mark.parametrize("which", ["malformed", "destroyed"])
def test_every_file_is_json(made: Path, which: str) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    for file in ("rounds.jsonl", "timings.jsonl", "environment.jsonl", "summary.json", "target.json"):
        text = (made / which / file).read_text()
        for part in text.splitlines() if file.endswith("l") else [text]:
            json.loads(part, parse_constant=refuse)


def test_what_is_no_number_is_read_as_it_was_written() -> None:
    values = {"loss": float("nan"), "others": [float("inf"), -float("inf"), 1.5], "word": "nothing"}
    text = dumps(values)
    assert text == '{"loss": "NaN", "others": ["Infinity", "-Infinity", 1.5], "word": "nothing"}'
    assert dumps(revived(json.loads(text))) == text


def test_a_benign_twin_that_diverges_is_no_control(tmp_path: Path) -> None:
    local = {"epochs": 1, "batch_size": 50, "optimizer": "sgd", "learning_rate": 1e30}
    with pytest.raises(ConfigError, match=r"without attack, clients sent updates.* learn more slowly, e\.g\. -o local"):
        fedlens.run(small(local=local, control=True, target={}), tmp_path / "run", engine="serial")
