"""A defence that never acted is told apart from one that was broken."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.recorded import ATTACKED, record
from small import small

import fedlens
from fedlens.analysis.flags import common, flags
from fedlens.analysis.idle import idle_filters, unclipped
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.experiment.experiment import Experiment
from fedlens.report.terminal.tables import summary_lines
from fedlens.runs.record import ClippingRecord, RoundRecord

WORDS = "no update was clipped by {} in 2 of 2 rounds, the longest was 3.21 and {} is {}; e.g. -o 'aggregation={}'"


def clipping(round_: int, name: str, clipped: int, longest: float) -> RoundRecord:
    return replace(record(round_, [1, 4, 5]), clipping={name: ClippingRecord(clipped, longest)})


def server(*stages: Any) -> Experiment:
    attack = ExplicitBoosting(client=4, boost=2)
    return Experiment(**{**dict(ATTACKED), "attack": attack, "fraction": 0.5, "aggregation": list(stages)})


def test_a_limit_that_was_never_reached_is_flagged_with_one_that_would_have_been() -> None:
    rounds = [clipping(1, "0.centred-clipping", 0, 3.214), clipping(2, "0.centred-clipping", 0, 0.5)]
    experiment = server({"name": "centred-clipping", "tau": 20, "iterations": 2})
    found = unclipped(experiment, rounds)
    lower = "[{name: centred-clipping, tau: 1.6, iterations: 2}]"
    assert found == WORDS.format("centred-clipping", "tau", 20, lower)
    assert found in flags(experiment, rounds)
    assert "no update was clipped (1 of 1 run)" in common([flags(experiment, rounds)])


def test_the_rest_of_the_chain_is_in_what_to_paste() -> None:
    rounds = [clipping(number, "1.clip", 0, 3.214) for number in (1, 2)]
    experiment = server("distances", {"name": "clip", "max_norm": 5}, {"name": "krum", "f": 1}, "fedavgm")
    lower = "[distances, {name: clip, max_norm: 1.6}, {name: krum, f: 1}, fedavgm]"
    assert unclipped(experiment, rounds) == WORDS.format("clip", "max_norm", 5, lower)


@pytest.mark.parametrize(
    "rounds",
    [
        [clipping(1, "0.clip", 0, 3.0), clipping(2, "0.clip", 1, 9.0)],  # it did act
        [record(1, [1, 4, 5])],  # of a run from before it was noted
        [clipping(1, "1.clip", 0, 3.0)],  # of another stage
    ],
)
def test_what_acted_or_is_not_known_is_no_flag(rounds: list[RoundRecord]) -> None:
    assert unclipped(server({"name": "clip", "max_norm": 5}, "median"), rounds) is None


BOOSTED = {"name": "explicit-boosting", "boost": 2, "step_cap": 5}
LARGE = {
    "clip": [{"name": "clip", "max_norm": 1000}, "median"],
    "norm-clipping": {"name": "norm-clipping", "max_norm": 1000},
    "centred-clipping": {"name": "centred-clipping", "tau": 1000, "iterations": 2},
}


@pytest.mark.parametrize("name", LARGE)
def test_runs_note_it_and_only_they(name: str, tmp_path: Path) -> None:
    run = fedlens.run(small(aggregation=LARGE[name], attack=BOOSTED, rounds=2), tmp_path / "idle", engine="serial")
    assert [record.clipping[f"0.{name}"].clipped for record in run.records] == [0, 0]
    assert any(flag.startswith(f"no update was clipped by {name} in 2 of 2 rounds") for flag in run.flags)
    limit = {"tau" if name == "centred-clipping" else "max_norm": 1e-3}
    changed = {"name": name, **limit}
    acted = fedlens.run(small(aggregation=[changed], attack=BOOSTED, rounds=1), tmp_path / "acted", engine="serial")
    assert acted.records[0].clipping[f"0.{name}"].clipped == len(acted.records[0].cohort)
    assert not any(flag.startswith("no update was clipped") for flag in acted.flags)
    plain = fedlens.run(small(rounds=1), tmp_path / "plain", engine="serial")
    assert "clipping" not in (tmp_path / "plain" / "rounds.jsonl").read_text()
    assert plain.records[0].clipping == {}


def test_filters_that_let_all_pass_are_named_without_alarm(tmp_path: Path) -> None:
    wide = {"name": "norm-filter", "max_norm": 1000}
    experiment = small(aggregation=[wide, "mean"], checks=[{"name": "distances", "action": "observe"}], rounds=1)
    run = fedlens.run(experiment, tmp_path / "run", engine="serial")
    assert list(idle_filters(run.experiment, run.records)) == ["norm-filter"]
    assert ("updates dropped by norm-filter", "none") in list(summary_lines(run))
    assert not any("norm-filter" in flag for flag in run.flags)
    narrow = small(aggregation=[wide | {"max_norm": 1e-3}, "mean"], rounds=1)
    strict = fedlens.run(narrow, tmp_path / "strict", engine="serial")
    assert list(idle_filters(strict.experiment, strict.records)) == []
