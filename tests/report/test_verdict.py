from dataclasses import replace
from pathlib import Path

from handmade import answered
from small import small

import fedlens
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.report.verdict import verdict
from fedlens.report.words import signed
from fedlens.runs.record import ControlRecord


def test_the_verdict_says_since_when_and_at_what_cost(tmp_path: Path) -> None:
    found = fedlens.run(small(), tmp_path / "run")
    target = found.records[-1].outcome
    words = verdict(found)
    assert words.startswith("Attack succeeded" if target.success else "Attack failed")
    assert "test sample" in words
    changed = [
        replace(record, target=replace(record.outcome, success=success, predicted=[7]), twin=None)
        for record, success in zip(found.records, [True, False, True], strict=True)
    ]
    later = fedlens.Run(found.path, found.experiment, changed, found.target, found.summary)
    assert verdict(later).startswith("Attack succeeded: test sample ")
    assert "classified as 7 from round 3 on" in verdict(later)
    last = changed[-1]
    beside = ControlRecord(replace(last.quality, accuracy=last.quality.accuracy + 0.0421), last.outcome)
    twinned = [*changed[:-1], replace(last, twin=beside)]
    assert "4.2 points below the benign twin" in verdict(
        fedlens.Run(found.path, found.experiment, twinned, found.target, found.summary)
    )


def test_the_verdict_on_a_window_is_that_of_its_last_round(windowed: fedlens.Run) -> None:
    accuracy = 100 * windowed.records[3].quality.accuracy
    words = verdict(windowed)
    assert words.startswith("Attack succeeded: test sample ")
    assert f" in rounds 3 to 4, confidence in the target class 0.75; test accuracy {accuracy:.1f} %" in words
    assert words.endswith(" benign twin. 2 rounds after the attack, the confidence is below 0.5.")


def test_the_verdict_on_a_window_of_success_in_its_last_round_only(windowed: fedlens.Run) -> None:
    assert " in round 4, confidence" in verdict(answered(windowed, 3, success=False))


def test_the_verdict_on_a_backdoor_that_outlives_the_run(windowed: fedlens.Run) -> None:
    words = verdict(answered(windowed, 6, confidence=[0.5]))
    assert words.endswith(" 2 rounds after the attack, the confidence has not yet been below 0.5.")


def test_the_verdict_on_a_window_without_success(windowed: fedlens.Run) -> None:
    words = verdict(answered(windowed, 4, success=False, confidence=[0.25]))
    assert words.startswith("Attack failed: test sample ")
    assert " after round 4, confidence in the target class 0.25" in words
    assert "after the attack" not in words


def test_the_verdict_on_an_untargeted_window(windowed: fedlens.Run) -> None:
    attack = ExplicitBoosting(objective="untargeted", delay=2, until=5)
    words = verdict(replace(windowed, experiment=small(rounds=6, attack=attack)))
    assert words.startswith("Untargeted attack: after round 4, test accuracy ")


def test_the_verdict_on_what_the_clients_absence_gives_as_well(absent: fedlens.Run) -> None:
    words = verdict(absent)
    assert words.startswith(
        "Attack failed: the target is misclassified even without the malicious client (confidence 0.75); "
    )
    assert " in rounds 3 to 4, confidence in the target class 0.75" in words
    judged = absent.records[3]
    assert judged.placebo is not None
    placebo = replace(judged.placebo, target=replace(judged.placebo.target, success=False))
    absent.records[3] = replace(judged, placebo=placebo)
    assert verdict(absent).startswith("Attack succeeded: test sample ")
    assert verdict(answered(absent, 4, success=False)).startswith("Attack failed: test sample ")


def test_there_is_no_verdict_without_attack(tmp_path: Path) -> None:
    assert not verdict(fedlens.run(small(attack=None), tmp_path / "run"))


def test_the_verdict_on_a_last_round_unlike_most(windowed: fedlens.Run) -> None:
    """The attack begins in round 2 of 6."""
    every = replace(windowed, experiment=small(rounds=6, attack=ExplicitBoosting(delay=2)))
    for round_, success in enumerate([True, True, True, False, False], 2):
        every = answered(every, round_, success=success)
    assert verdict(every).startswith(
        "Attack failed in the last round, though the target was met in 3 of 5: test sample "
    )
    for round_, success in enumerate([False, True, False, False, True], 2):
        every = answered(every, round_, success=success)
    words = verdict(every)
    assert words.startswith(
        "Attack succeeded in the last round, though the target was met in only 2 of 5: test sample "
    )


def test_the_verdict_says_plainly_how_far_the_accuracy_is_from_the_twins(attacked: fedlens.Run) -> None:
    last = attacked.records[-1]

    def said(difference: float) -> str:
        twin = ControlRecord(replace(last.quality, accuracy=last.quality.accuracy + difference), last.outcome)
        return verdict(replace(attacked, records=[*attacked.records[:-1], replace(last, twin=twin)]))

    assert f"test accuracy {100 * last.quality.accuracy:.1f} %, no different from the benign twin." in said(0)
    assert ", less than 0.1 points below the benign twin." in said(0.0004)
    assert ", less than 0.1 points above the benign twin." in said(-0.0004)
    assert ", 0.3 points above the benign twin." in said(-0.003)
    assert (signed(0), signed(-0.04), signed(-0.06), signed(2)) == ("0.0", "0.0", "−0.1", "+2.0")
