"""A worker that nobody waits for any more."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.waiting import PATIENCE


@pytest.mark.parametrize("module", ["torch", "numpy", "pydantic"])
def test_a_worker_whose_sweep_was_killed_while_it_imports_ends(tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text("import time\ntime.sleep(1e6)\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    command = [sys.executable, "-P", "-m", "fedlens.sweeps.worker"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, process_group=0) as worker:
        time.sleep(1)
        assert worker.poll() is None
        assert worker.stdin is not None
        worker.stdin.close()  # as the system does when the other end is killed
        assert worker.wait(PATIENCE) != 0
