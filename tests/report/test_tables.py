"""What the tables say of checks, rules and estimates, on small runs."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from handmade import answered, summed_up
from rich.console import Console
from small import small

import fedlens
from fedlens.analysis.detection import performance
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.defences.distance_ranges import DistanceCheck
from fedlens.defences.krum import Krum
from fedlens.report.terminal.tables import checks_table, rounds_table, summary_lines, summary_table
from fedlens.report.verdict import verdict


def played(path: Path, **changes: Any) -> fedlens.Run:
    return fedlens.run(small(clients=6, **changes), path / "run", engine="serial")


def text(table: object) -> str:
    console = Console(width=250)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def line(run: fedlens.Run, start: str) -> str:
    """The value beside the name that begins so."""
    (found,) = [line for line in text(summary_table(run)).splitlines() if line.strip().startswith(start)]
    return found.strip().rpartition("  ")[2]


def test_a_check_that_rejects(tmp_path: Path) -> None:
    run = played(tmp_path, checks=(DistanceCheck(action="reject"),), attack=ExplicitBoosting(step_cap=105, boost=40))
    assert run.summary is not None
    rejected = [5 in record.rejected for record in run.records]
    assert any(rejected)
    assert line(run, "malicious update rejected") == f"in {sum(rejected)} of 3 rounds"
    done = run.summary.checks["distances"]
    found = checks_table(run)
    assert found is not None
    assert [next(iter(column.cells)) for column in found.columns] == [
        "distances", f"{done.caught} of 3", f"{done.false_alarms} of 15", f"{done.roc_auc:.2f}",
    ]  # fmt: skip
    assert "distances" not in text(summary_table(run))
    table = text(rounds_table(run))
    assert "rejected" in table
    assert "too few left" not in table


def test_without_checks_there_is_nothing_to_say_of_them(attacked: fedlens.Run) -> None:
    assert attacked.summary is not None
    assert checks_table(replace(attacked, summary=replace(attacked.summary, checks={}))) is None
    honest = performance([([0.0, 0.0, 0.0, 1.0], [False, False, False, True], [False] * 4)])
    checked = replace(attacked, summary=replace(attacked.summary, checks={"accuracy": honest}))
    found = text(checks_table(checked))
    assert re.search(r"accuracy +nobody to catch +1 of 4 +–", found)


def test_the_rule_had_too_few(tmp_path: Path) -> None:
    checks = [{"name": f"{__name__}:Everyone", "action": "reject"}]
    run = played(tmp_path, checks=checks, attack=None)
    assert "0, 1, 2, 3, 4, 5 (too few left)" in text(rounds_table(run))
    assert run.records[-1].skipped == "0 of 6 updates passed the checks, and the rule needs 1"


class Everyone(fedlens.Detector):
    """Suspects everyone."""

    def inspect(self, seen: fedlens.Inspection) -> fedlens.Verdict:
        norms = seen.updates.norm(dim=1).double()
        return fedlens.Verdict(norms, norms >= 0)


def test_krum_says_how_often_it_chose_the_malicious_update(tmp_path: Path) -> None:
    run = played(tmp_path, aggregation=Krum(f=1), attack=ExplicitBoosting(step_cap=105, boost=1e-6))
    chosen = sum(record.clients[5].effective_weight == 1 for record in run.records)
    assert chosen > 0  # an update of almost nothing lies in the middle of the others
    assert line(run, "malicious update chosen alone") == f"in {chosen} of 3 rounds"
    assert [flag for flag in run.flags if flag.startswith("oracle f")]


def test_estimates_and_rounds_without_the_malicious_client(tmp_path: Path) -> None:
    run = played(tmp_path, attack=ExplicitBoosting(step_cap=105, estimate="post"), fraction=0.5, rounds=8)
    attacks = [client.attack for record in run.records if (client := record.malicious) is not None]
    logs = [attack.log for attack in attacks if attack and "estimate_error" in attack.log]
    assert logs
    error, cosine = (sum(log[f"estimate_{name}"] for log in logs) / len(logs) for name in ("error", "cosine"))
    assert line(run, "estimate of the others") == f"{error:.2f}, {cosine:.2f}"
    assert run.summary is not None
    assert run.summary.participation is not None
    assert line(run, "… after rounds with the") == f"{run.summary.participation.present:.3f}"
    assert line(run, "… after rounds without") == f"{run.summary.participation.absent:.3f}"


def cells(run: fedlens.Run, start: str) -> list[str]:
    """The control's value and the run's beside the name that begins so."""
    (found,) = [line for line in text(summary_table(run)).splitlines() if line.strip().startswith(start)]
    return found.split()[-2:]


def test_a_window_of_rounds_and_what_comes_after_it(windowed: fedlens.Run) -> None:
    name = windowed.target.classes[windowed.target.target[0]]
    assert cells(windowed, f"confidence in target class ({name}), round 4 ") == ["0.250", "0.750"]
    assert cells(windowed, "… best of rounds 2 to 4 ") == ["0.250", "0.900"]
    assert cells(windowed, "… mean over rounds 2 to 4 ") == ["0.125", "0.650"]
    assert cells(windowed, "confidence after the attack, round 6 ") == ["0.375", "0.250"]
    assert cells(windowed, "… rounds until it is below 0.5 ") == ["0", "2"]
    table = text(summary_table(windowed))
    assert re.search(r"rounds 2 to 4 in which every target is met +0 of 3 +2 of 3", table)
    assert re.search(r"… area under it, in rounds +0.50 of 2 +0.88 of 2", table)
    accuracy = 100 * windowed.records[3].quality.accuracy
    twin = 100 * windowed.records[3].controls["control"].quality.accuracy
    assert re.search(rf"test accuracy, round 4 +{twin:.1f} % +{accuracy:.1f} %", table)


def test_the_client_absent_has_a_column_where_it_is_known(absent: fedlens.Run) -> None:
    table = text(summary_table(absent))
    header = next(line for line in table.splitlines() if "without attack" in line)
    assert header.split() == ["without", "attack", "client", "absent", "explicit-boosting"]
    name = absent.target.classes[absent.target.target[0]]
    for start, expected in {
        "test accuracy, round 4 +": r"\S+ % +50.0 % +\S+ %",
        rf"confidence in target class \({name}\), round 4 +": "0.250 +0.750 +0.750",
        "… best of rounds 2 to 4 +": "0.250 +0.750 +0.900",
        "rounds 2 to 4 in which every target is met +": "0 of 3 +2 of 3 +2 of 3",
        "confidence after the attack, round 6 +": "0.375 +0.000 +0.250",
        "boosting factor λ +": r"\d\S*",
    }.items():
        assert re.search(start + expected, table), (start, table)
    rounds = text(rounds_table(absent))
    assert "in brackets the benign twin, then the client absent" in " ".join(rounds.split())
    assert "0.750 (0.250, 0.750)" in rounds


def test_without_a_placebo_nothing_is_said_of_it(windowed: fedlens.Run, attacked: fedlens.Run) -> None:
    for run in (windowed, attacked):
        for table in (summary_table(run), rounds_table(run)):
            assert "absent" not in text(table)


def test_a_backdoor_that_outlives_the_run(windowed: fedlens.Run) -> None:
    table = text(summary_table(summed_up(answered(windowed, 6, confidence=[0.5]))))
    assert re.search(r"… rounds until it is below 0.5 +0 +more than 2\b", table)


def test_a_window_of_the_whole_run_is_not_spoken_of(attacked: fedlens.Run) -> None:
    assert attacked.summary is not None
    assert attacked.summary.target is not None
    table = text(summary_table(attacked))
    assert f"{attacked.summary.target.confidence.best:.3f}" == cells(attacked, "… best of rounds ")[1]
    assert "malicious model's accuracy, first round " in table
    for words in (" to 6", "round 6", "after the attack", "window"):
        assert words not in table


def test_the_class_that_lost_most(windowed: fedlens.Run) -> None:
    *before, last = windowed.records
    assert last.twin is not None
    even = replace(last.twin, quality=replace(last.twin.quality, per_class=[0.5] * 10))

    def ended(per_class: Sequence[float]) -> fedlens.Run:
        end = replace(last, quality=replace(last.quality, per_class=list(per_class)), twin=even)
        return summed_up(replace(windowed, records=[*before, end]))

    assert line(ended([0.5, 0.75, 0.25, 0.375] + [0.5] * 6), "… most lost in class 2 ") == "25.0 points"
    assert "most lost" not in text(summary_table(ended([0.5] * 10)))


def test_the_verdict_on_an_untargeted_attack_is_about_accuracy(tmp_path: Path) -> None:
    run = played(tmp_path, attack=ExplicitBoosting(objective="untargeted"))
    quality = run.records[-1].quality
    assert verdict(run) == (
        f"Untargeted attack: test accuracy {100 * quality.accuracy:.1f} %, mean cross-entropy {quality.loss:.2f} nats."
    )
    assert quality.accuracy < 0.5


@pytest.mark.parametrize("rule", ["mean", "median"])
def test_shares_are_told_where_a_rule_does_not_average(tmp_path: Path, rule: str) -> None:
    run = played(tmp_path, aggregation=rule, attack=ExplicitBoosting(boost=2, step_cap=105))
    assert ("mean share" in text(summary_table(run))) == (rule == "median")


def test_a_stopping_accuracy_that_is_not_reached_does_not_look_as_if_it_were(attacked: fedlens.Run) -> None:
    assert attacked.summary is not None
    summary = replace(attacked.summary, rounds=1, paper_stop=0.84, would_stop_at=None, accuracy=0.8397)
    found = {name: values[-1] for name, *values in summary_lines(replace(attacked, summary=summary))}
    assert found["stopping accuracy of the paper, 84.00 %"] == "not reached"
    assert str(summary_table(replace(attacked, summary=summary)).title).endswith(", after 1 round")
