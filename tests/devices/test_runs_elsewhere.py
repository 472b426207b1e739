"""Whole runs on a pretended device: they give what they give on the CPU, interrupted or not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.elsewhere import AWAY, Pretended
from helpers.teams import STATEFUL
from small import small

import fedlens
from fedlens.runs.reading import read_starts
from fedlens.runs.record import RoundRecord

BACKDOOR: dict[str, Any] = {
    "target": {},
    "goal": {"name": "backdoor", "trigger": {"name": "distributed", "size": 2, "gap": 1}, "target": 3},
    "attackers": {"count": 2},
    "attack": {"name": "data-poisoning"},
    "model": "census-mlp",
    "rounds": 2,
    "control": True,
}

STATE: dict[str, Any] = {
    **STATEFUL,
    "attack": {"name": "adaptive-ipm", "candidates": [0.5, 2]},
    "local": {"steps": 2, "client_momentum": 0.5, "schedule": {"name": "step", "every": 1}},
    "metrics": ["f1"],
    "rounds": 3,
}

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "checks and a twin": (
        "serial",
        {"rounds": 2, "control": True, "checks": ["accuracy", "statistics", "distances"], "validation": 100},
    ),
    "a team's backdoor, side by side": ("vectorised", BACKDOOR),
    "buffers and root samples": (
        "serial",
        {
            "model": {"name": "resnet8", "norm": "batch"},
            "aggregation": ["bucketing", "fltrust"],
            "attack": "sign-flipping",
            "local": {"steps": 1, "batch_size": 20, "buffers": "local", "augmentation": ["crop"]},
            "root": 30,
            "rounds": 2,
        },
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_gives_the_same_bits_on_another_device(name: str, tmp_path: Path) -> None:
    engine, changes = RUNS[name]
    experiment = small(**changes)
    here = fedlens.run(experiment, tmp_path / "here", engine=engine)
    with Pretended():
        there = fedlens.run(experiment, tmp_path / "there", engine=engine, device=str(AWAY))
    assert there.records == here.records
    assert torch.equal(there.weights(), here.weights())


class Stops(fedlens.Callback):
    """Interrupts a run after its second round."""

    def round(self, record: RoundRecord) -> None:
        if record.round == 2:
            raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_there(tmp_path: Path) -> None:
    experiment = small(**STATE)
    whole = fedlens.run(experiment, tmp_path / "whole", engine="serial")
    with Pretended():
        with pytest.raises(KeyboardInterrupt):
            fedlens.run(experiment, tmp_path / "run", engine="serial", device=str(AWAY), observer=Stops())
        resumed = fedlens.run(experiment, tmp_path / "run", resume=True)
    assert resumed.records == whole.records
    assert torch.equal(resumed.weights(), whole.weights())
    assert read_starts(resumed.path)[-1].device == str(AWAY)
