"""A round of a hundred clients with a million weights each, put to checks within the memory of a small machine."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.acceptance

WRITE = """
import os, sys
import numpy as np
from safetensors.numpy import save_file

folder = f"{sys.argv[1]}/round-00001"
os.makedirs(folder)
draws = np.random.default_rng(0)
start = draws.normal(size=(1000, 1000)).astype(np.float32)
save_file({"w": start}, f"{folder}/global.safetensors")
for client in range(100):
    update = draws.normal(0, 0.1, start.shape).astype(np.float32)
    factor = 10 if client == 42 else 1
    facts = {"examples": "100", "kind": "weights"}
    save_file({"w": start + factor * update}, f"{folder}/client-{client}.safetensors", metadata=facts)
assert not {"fedlens", "flwr"} & sys.modules.keys()
"""
INSPECT = """
import resource, sys
from pathlib import Path
from fedlens.bridges.wire import inspect_updates

found = inspect_updates(*map(Path, sys.argv[1:]))
print([client.client for client in found.rounds[0].clients if client.flagged_by])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is told in another unit")
def test_a_large_round_is_within_1500_megabytes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", WRITE, tmp_path / "updates"], check=True)
    command = [sys.executable, "-c", INSPECT, tmp_path / "updates", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    flagged, megabytes = done.stdout.splitlines()
    assert flagged == "['42']"
    assert float(megabytes) < 1500
