"""What the shell offers: tried as bash asks for it, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fedlens.core.registry import known

PROGRAM = "import sys; sys.argv[0] = 'fedlens'; from fedlens.cli import main; main()"


def offered(folder: Path, line: str) -> list[str]:
    words = line.split(" ")
    asked = {"_FEDLENS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env={**os.environ, **asked})
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fedlens run quick", ["quickstart"]),
        ("fedlens run mi", ["mine.yaml", "mixed/"]),
        ("fedlens run mixed/in", ["mixed/inner.yaml"]),
        ("fedlens run nowhere/x", []),
        ("fedlens list multi-k", ["multi-krum"]),
        ("fedlens list rul", ["rules"]),
        ("fedlens run quickstart -o local.e", ["local.epochs="]),
        ("fedlens run quickstart -o partition=", [f"partition={name}" for name in known("partition")]),
        ("fedlens run quickstart -o record=", ["record=[norms]", "record=[distances]", "record=[histograms]"]),
        ("fedlens run quickstart -o record=[d", ["record=[distances]"]),
        ("fedlens run quickstart -o record=[norms,", ["record=[norms,distances]", "record=[norms,histograms]"]),
        (
            "fedlens run quickstart -o local.optimizer=",
            [f"local.optimizer={name}" for name in ("adam", "sgd", "adamw")],
        ),
        ("fedlens run quickstart -o rounds=", []),
        ("fedlens run quickstart -o nothing=", []),
        ("fedlens rep", ["report", "reproduce"]),
    ],
)
def test_what_is_offered(tmp_path: Path, line: str, expected: list[str]) -> None:
    (tmp_path / "mixed").mkdir()
    for name in ("mine.yaml", "mine.csv", "mixed/inner.yaml"):
        (tmp_path / name).touch()
    assert offered(tmp_path, line) == expected
