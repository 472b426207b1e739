"""Memory of a census run with a hundred clients, summed over all its processes."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from fedlens.experiment.experiment import Experiment

pytestmark = pytest.mark.acceptance


def proportional_set_size(process: psutil.Process) -> int:
    """Bytes of `process` and its children, shared pages counted once."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


def test_a_hundred_clients_take_less_than_a_gigabyte_and_no_more_as_rounds_go_by(tmp_path: Path) -> None:
    values = {"clients": 100, "rounds": 12, "local": {"epochs": 1, "batch_size": 50}, "attack": "explicit-boosting"}
    file = tmp_path / "experiment.yaml"
    file.write_text(yaml.safe_dump(Experiment.model_validate(values).describe()))
    out = tmp_path / "run"
    command = [Path(sys.executable).parent / "fedlens", "run", file, "--out", out]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
        peaks: dict[int, int] = {}
        records = out / "rounds.jsonl"
        while running.poll() is None:
            played = records.read_bytes().count(b"\n") if records.exists() else 0
            try:
                size = proportional_set_size(psutil.Process(running.pid))
            except psutil.NoSuchProcess:
                break
            peaks[played] = max(peaks.get(played, 0), size)
            time.sleep(0.05)
    assert running.returncode == 0
    assert max(peaks.values()) < 1e9
    late, early = max(peaks[played] for played in range(8, 12)), max(peaks[played] for played in range(2, 6))
    assert late < 1.05 * early
    print(f"peak {max(peaks.values()) / 1e6:.0f} MB, early {early / 1e6:.0f} MB, late {late / 1e6:.0f} MB")
