"""Runs that are killed before some of the files that they replace or remove, and what two runs must have in common."""

import os
import signal
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, signal, sys
from pathlib import Path
from pkgutil import resolve_name
import fedlens

experiment, out, moment, engine = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
workers, address, calls = 2 if engine == "processes" else None, sys.argv[5] or None, 0

def killing(function):
    def call(path, *arguments, **named):
        global calls
        calls += out in path.parents
        if calls == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(path, *arguments, **named)
    return call

if __name__ == "__main__":
    Path.replace, Path.unlink = killing(Path.replace), killing(Path.unlink)
    fedlens.run(resolve_name(experiment), out, resume=out.exists(), engine=engine, workers=workers, address=address)
"""
TESTS = Path(__file__).parents[1]


def run_until(moment: int | None, experiment: str, out: Path, engine: str, address: str = "") -> None:
    """Run, or go on with, ``module:NAME``; with a `moment`, die before it replaces or removes that many files."""
    script = out.with_name("killed.py")
    script.write_text(SCRIPT)
    paths = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(script), experiment, str(out), str(moment or -1), engine, address]
    ended = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, check=False)
    assert ended.returncode == (-signal.SIGKILL if moment else 0), ended.stderr.decode()


def rows_of(run: Path) -> list[str]:
    """The files of what stages keep by client."""
    return sorted(file.name for file in (run / "state").iterdir())


def require_same_files(run: Path, whole: Path) -> None:
    """Compare records, weights and all that is kept, byte by byte."""
    assert rows_of(run) == rows_of(whole)
    kept = [f"state/{name}" for name in rows_of(whole)]
    for name in ("rounds.jsonl", *kept, "checkpoint.safetensors", "final.safetensors"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
