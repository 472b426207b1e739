"""Whole audits of small federations: a plain mean, a server that does not learn, and audits that were interrupted."""

import json
import random
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_audits
from auditing import audited
from typing_extensions import override

import fedlens
from fedlens.core.errors import ConfigError, RunError
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.experiment.experiment import Experiment
from fedlens.studies.audit import audit as auditing
from fedlens.studies.audit.audit import Audit
from fedlens.studies.audit.schedule import Schedule
from fedlens.studies.audit.verdict import Effort

TINY = Schedule(minutes=60, arms=6, seeds=1, kept=2, federations=2, trials=2, finalists=1, verdict=8)
TINIES: Mapping[Effort, Schedule] = {
    "quick": replace(TINY, verdict=4),
    "standard": TINY,
    "thorough": replace(TINY, finalists=2),
}


class Nothing(Rule):
    """A server that never moves."""

    @override
    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(received.updates[0] * 0)


@pytest.fixture(scope="module", autouse=True)
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with tiny_audits.tiny(TINIES, tmp_path_factory.mktemp("cache")):
        yield


def made(folder: Path, effort: Effort = "standard", experiment: Experiment | None = None, **options: Any) -> Audit:
    return tiny_audits.made(folder, experiment or audited(), effort, **options)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, tiny: None) -> Audit:
    """A plain mean, where an attack may cost what it likes."""
    return made(tmp_path_factory.mktemp("audits") / "mean")


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory, tiny: None) -> Audit:
    """A server that never moves; quickly."""
    return made(tmp_path_factory.mktemp("audits") / "nothing", "quick", audited(aggregation=Nothing()))


def document(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "audit.json").read_text())
    return found


def test_a_plain_mean_is_broken(broken: Audit) -> None:
    assert broken.verdict == "broken"
    assert broken.judgement.exit_code() == 1
    [finalist] = broken.judgement.finalists
    assert finalist.successes >= 7
    assert document(broken.path)["verdict"] == "broken"


def test_as_many_arms_seeds_and_federations_as_the_schedule_has(broken: Audit) -> None:
    assert len(broken.ranked) == 6
    assert len(broken.standings) == 2
    assert len(broken.finalists) == 1
    assert sorted(one.rounds for one in broken.ranked) == [1, 1, 1, 1, 2, 2]
    assert len(broken.table) == len(broken.trials.played) == 8
    assert len({row["run"] for row in document(broken.path)["verdict_cells"]}) == 8


def test_the_search_never_sees_the_seeds_of_the_verdict(broken: Audit) -> None:
    runs = [fedlens.load_run(folder) for folder in sorted((broken.path / "cells").iterdir())]
    searched = {broken.subject.seed("search", n) for n in range(10)}
    held_out = {broken.subject.seed("verdict", n) for n in range(8)}
    assert not searched & held_out
    seeds = {run.experiment.seed for run in runs}
    assert held_out <= seeds
    assert seeds - held_out <= searched


def test_the_worst_federation_runs_again_to_the_bit(broken: Audit, tmp_path: Path) -> None:
    worst = fedlens.load_experiment(broken.path / "worst.yaml")
    again = fedlens.run(worst, tmp_path / "again", engine="serial")
    assert again.records[-1].target is not None
    confidence = again.records[-1].target.mean_confidence
    listed = [row for row in document(broken.path)["verdict_cells"] if row["success"]]
    assert confidence == max(row["reached"] for row in listed)


def test_the_same_call_measures_nothing_anew(broken: Audit, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(broken.path, tmp_path / "copy"))
    ledger = (folder / "plan.jsonl").read_bytes()
    (folder / "audit.json").unlink()
    assert made(folder).plain() == broken.plain()
    assert (folder / "plan.jsonl").read_bytes() == ledger
    assert (folder / "audit.json").read_bytes() == (broken.path / "audit.json").read_bytes()


def test_an_audit_that_was_killed_goes_on_to_the_bit(broken: Audit, tmp_path: Path) -> None:
    """Killed at two drawn places: the ledger ends in the midst of a line, and so many runs are not there."""
    drawn = random.Random(27)
    whole = (broken.path / "audit.json").read_bytes()
    for number in range(2):
        folder = Path(shutil.copytree(broken.path, tmp_path / str(number)))
        lines = (folder / "plan.jsonl").read_bytes()
        (folder / "plan.jsonl").write_bytes(lines[: drawn.randrange(lines.index(b"\n") + 1, len(lines))])
        for cell in drawn.sample(sorted((folder / "cells").iterdir()), 2):
            shutil.rmtree(cell)
        for file in ("audit.json", "worst.yaml"):
            (folder / file).unlink()
        made(folder)
        assert (folder / "audit.json").read_bytes() == whole


@pytest.mark.acceptance  # it takes long
def test_more_effort_keeps_the_finalists_of_before(broken: Audit, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(broken.path, tmp_path / "more"))
    more = made(folder, "thorough")
    assert broken.finalists[0] in more.finalists
    assert len(more.finalists) == 2
    assert more.finalists[0] == broken.finalists[0]


@pytest.mark.acceptance  # it takes long
def test_a_server_that_never_moves_is_not_broken_and_that_is_doubted(still: Audit) -> None:
    """Two flags as loud as the verdict: it hears nothing, and learns nothing."""
    assert still.verdict in ("undecided", "no verdict")  # quick
    assert {"F2", "F7"} <= {doubt.code for doubt in still.doubts}
    assert not any(one.successes for one in still.judgement.finalists)
    assert {"F2", "F7"} <= {flag["code"] for flag in document(still.path)["flags"]}


def test_out_of_time_is_said_and_the_first_batch_is_played(broken: Audit, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(broken.path, tmp_path / "late"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auditing, "SCHEDULES", dict(TINIES) | {"standard": replace(TINY, minutes=0)})
        late = made(folder)
    assert (late.trials.out_of_time, len(late.trials.played)) == (True, 4)
    assert late.verdict != "broken"
    assert made(folder).plain() == broken.plain()


def test_another_experiment_in_the_same_directory_is_refused(broken: Audit) -> None:
    with pytest.raises(RunError, match=r"an audit of something else is there already; choose another --out"):
        made(broken.path, experiment=audited(rounds=1))
    with pytest.raises(RunError, match=r"an audit of something else"):
        made(broken.path, accuracy_cost=0.5)


def test_a_directory_with_something_else_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(RunError):
        made(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rate": 0.0}, r"rate: a number from 0.001 to below 1 is needed, not 0.0; e.g. rate=0.1"),
        ({"rate": 10}, r"rate: a number between 0 and 1"),
        (
            {"accuracy_cost": float("nan")},
            r"accuracy_cost: a number from 0 is needed, not nan; e.g. accuracy_cost=0.03",
        ),
        ({"effort": "lazy"}, r"effort: 'lazy' is none of quick, standard, thorough; e.g. effort=standard"),
    ],
)
def test_wrong_numbers_are_refused_before_anything_is_measured(
    tmp_path: Path, wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        made(tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()
