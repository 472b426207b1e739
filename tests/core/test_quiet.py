"""Nothing phones home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fedlens.core.quiet import SILENT, be_quiet

SPY = """
import os, socket, sys

LOG = os.environ["SPY_LOG"]
HERE = {"localhost", "", None, socket.gethostname(), "0.0.0.0", "::", "::1", "ip6-localhost"}

def note(what):
    with open(LOG, "a") as file:
        file.write(f"{sys.argv[:3]}: {what}\\n")

def is_here(host):
    host = host.decode() if isinstance(host, bytes) else host
    return host in HERE or str(host)[:1].isdigit() or ":" in str(host)

def spied(name, original):
    def ask(host, *arguments, **options):
        if not is_here(host):
            note(f"{name}({host!r})")
            raise socket.gaierror(f"no name is to be resolved here: {host!r}")
        return original(host, *arguments, **options)
    return ask

for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
    setattr(socket, name, spied(name, getattr(socket, name)))

with open(LOG, "a") as file:
    file.write(f"begun: {os.getpid()}\\n")
"""


@pytest.fixture
def spied(tmp_path: Path) -> dict[str, str]:
    """The environment of processes that resolve no name, and tell who tried to."""
    (tmp_path / "spy").mkdir()
    (tmp_path / "spy/sitecustomize.py").write_text(SPY)
    places = [str(tmp_path / "spy"), *(place or str(Path.cwd()) for place in sys.path)]
    kept = {name: value for name, value in os.environ.items() if name not in SILENT and "proxy" not in name.lower()}
    return {**kept, "PYTHONPATH": os.pathsep.join(places), "SPY_LOG": str(tmp_path / "spied.txt")}


def fedlens(folder: Path, environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-c", "from fedlens.cli import main; main()", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def attempts(folder: Path) -> list[str]:
    lines = (folder / "spied.txt").read_text().splitlines()
    assert any(line.startswith("begun") for line in lines)  # the spy is there
    return [line for line in lines if not line.startswith("begun")]


SMALL = [
    "-o",
    "data=digits",
    "-o",
    "checks=none",
    "-o",
    "rounds=1",
    "-o",
    "local.batch_size=100",
    "-o",
    "target.select=random",
]


def test_the_spy_sees_who_tries(tmp_path: Path, spied: dict[str, str]) -> None:
    script = "import urllib.request as r\ntry: r.urlopen('http://telemetry.test/')\nexcept OSError: pass"
    subprocess.run([sys.executable, "-c", script], env=spied, check=True)
    assert ["telemetry.test" in line for line in attempts(tmp_path)] == [True]


def test_running_and_reporting_resolve_no_name(tmp_path: Path, spied: dict[str, str]) -> None:
    fedlens(
        tmp_path, spied, "run", "quickstart", *SMALL, "--workers", "2", "--track", f"mlflow:sqlite:///{tmp_path}/x.db"
    )
    fedlens(tmp_path, spied, "report", "runs/quickstart")
    fedlens(tmp_path, spied, "show", "runs/quickstart")
    assert attempts(tmp_path) == []


@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize("on", ["local", "ray"])
def test_a_sweep_resolves_no_name(tmp_path: Path, spied: dict[str, str], on: str) -> None:
    if on == "ray":
        pytest.importorskip("ray")
    options = dict(option.split("=") for option in SMALL[1::2]) | {"rounds": 1, "local.batch_size": 100}
    grid = {"experiment": "quickstart", "options": options | {"control": False}, "product": {"seed": [0, 1]}}
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(grid))
    fedlens(tmp_path, spied, "sweep", "grid.yaml", "--on", on, "--jobs", "1")
    assert attempts(tmp_path) == []


def test_whoever_has_chosen_otherwise_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SILENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    be_quiet()
    found = {name: os.environ[name] for name in SILENT}
    for name in SILENT:  # set by what was tested, not by monkeypatch
        monkeypatch.setenv(name, os.environ[name])
    assert found == {**SILENT, "RAY_USAGE_STATS_ENABLED": "1"}
