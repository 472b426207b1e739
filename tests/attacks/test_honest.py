"""The attack that is none."""

from pathlib import Path

from small import small

import fedlens


def test_its_run_is_the_benign_twin_bit_for_bit_and_is_recorded_like_an_attack(tmp_path: Path) -> None:
    run = fedlens.run(small(attack="honest", control=True), tmp_path / "honest", engine="serial")
    for record in run.records:
        assert record.attacker is not None
        assert record.attacker.attack.log["steps"] > 0
        assert record.attacker.model is not None
        assert record.quality == record.twin.quality
        assert record.target == record.twin.target
    benign = fedlens.run(small(attack=None), tmp_path / "benign", engine="serial")
    assert (run.weights() == benign.weights()).all()
