from pathlib import Path

from small import small

import fedlens
from fedlens.report.words import verdict


def test_the_verdict_says_since_when_and_at_what_cost(tmp_path: Path) -> None:
    found = fedlens.run(small(), tmp_path / "run")
    target = found.records[-1]["target"]
    words = verdict(found)
    assert words.startswith("Success" if target["success"] else "No success")
    assert "test sample" in words
    changed = [
        {**record, "target": {**record["target"], "success": success, "predicted": [7]}, "control": None}
        for record, success in zip(found.records, [True, False, True], strict=True)
    ]
    later = fedlens.Run(found.path, found.experiment, changed, found.target, found.summary)
    assert verdict(later).startswith("Success: the target")
    assert "classified as 7 from round 3 on" in verdict(later)
    last = changed[-1]
    beside = {
        "quality": {**last["quality"], "accuracy": last["quality"]["accuracy"] + 0.0421},
        "target": last["target"],
    }
    twinned = [*changed[:-1], {**last, "control": beside}]
    assert "4.2 points below the benign twin" in verdict(
        fedlens.Run(found.path, found.experiment, twinned, found.target, found.summary)
    )


def test_there_is_no_verdict_without_attack(tmp_path: Path) -> None:
    assert not verdict(fedlens.run(small(attack=None), tmp_path / "run"))
