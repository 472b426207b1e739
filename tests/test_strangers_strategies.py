"""Runs whose rule is a strategy of Flower: read where Flower is missing, and run only where the user trusts them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helpers.calling import called
from small import small

import fedlens
from fedlens.attacks import ExplicitBoosting
from fedlens.core.files import checksum
from fedlens.runs.ownership import code_named
from fedlens.runs.start import Start

KRUM = {"name": "flower", "make": "flwr.serverapp.strategy:Krum", "options": {"num_malicious_nodes": 1}}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by the mean, for a strategy of Flower cannot run where these tests do."""
    folder = tmp_path_factory.mktemp("plain")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDLENS_CACHE", str(folder / "cache"))
        fedlens.run(small(rounds=1, attack=ExplicitBoosting(step_cap=5, boost=2)), folder / "run", engine="serial")
    return folder / "run"


@pytest.fixture
def sent(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that has ``runs/strange``, of another user, whose rule is made by ``mine:x``; beside it such code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDLENS_STATE", str(tmp_path / "state"))
    monkeypatch.syspath_prepend("")
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nx = None\n")
    ruled(plain, tmp_path / "runs/strange", KRUM | {"make": "mine:x"})
    return tmp_path


def ruled(plain: Path, run: Path, rule: object) -> None:
    """Copy a run as if this rule had been its server's."""
    shutil.copytree(plain, run)
    values = yaml.safe_load((run / "experiment.yaml").read_text()) | {"aggregation": rule}
    start = json.loads((run / "start.json").read_text()) | {
        "parts": Start.of(small(attack=None, aggregation=rule)).parts
    }
    (run / "start.json").write_text(json.dumps(start))
    (run / "experiment.yaml").write_text(yaml.safe_dump(values))
    summary = json.loads((run / "summary.json").read_text())
    summary["checksums"]["experiment.yaml"] = checksum(run / "experiment.yaml")
    (run / "summary.json").write_text(json.dumps(summary))


def test_without_flower_a_run_is_shown_and_reported(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "flwr", None)  # as where it is not installed
    monkeypatch.delitem(sys.modules, "fedlens.bridges.flower", raising=False)
    ruled(plain, tmp_path / "run", KRUM)
    code, printed, err = called(capsys, "show", "run")
    assert code == 0, err
    assert "rule Flower's Krum" in " ".join(printed.split())
    assert called(capsys, "report", "run")[0] == 0
    assert "Flower&#39;s Krum" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("command", ["show", "report"])
def test_reading_a_strangers_run_makes_no_strategy(
    sent: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    code, _, err = called(capsys, command, "runs/strange")
    assert code == 0, err
    assert not (sent / "ran").exists()


@pytest.mark.parametrize(
    "arguments",
    [["run", "runs/strange"], ["run", "runs/strange", "--resume"], ["sweep", "grid.yaml"], ["audit", "runs/strange"]],
    ids=" ".join,
)
def test_to_run_it_again_asks_for_trust(sent: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    (sent / "grid.yaml").write_text("{experiment: runs/strange, product: {seed: [0, 1]}}")
    code, _, err = called(capsys, *arguments)
    assert code == 2
    assert "runs/strange: you did not begin this" in err
    assert "mine:x" in err
    assert not (sent / "ran").exists()


@pytest.mark.parametrize(
    "grid",
    [
        {"experiment": {"aggregation": KRUM | {"make": "mine:x"}}, "product": {"seed": [0, 1]}},
        {"experiment": {"aggregation": KRUM}, "product": {"aggregation.make": ["mine:x"]}},
        {"experiment": {"aggregation": ["distances", KRUM | {"make": "mine:x"}]}, "product": {"seed": [0, 1]}},
    ],
    ids=["in the experiment", "in the grid", "in a chain"],
)
def test_a_strangers_sweep_asks_for_trust(
    sent: Path, capsys: pytest.CaptureFixture[str], grid: dict[str, object]
) -> None:
    (sent / "theirs/cells").mkdir(parents=True)
    (sent / "theirs/sweep.yaml").write_text(yaml.safe_dump(grid))
    code, _, err = called(capsys, "sweep", "theirs/sweep.yaml", "--out", "again")
    assert code == 2
    assert "theirs: you did not begin this" in err
    assert "mine:x" in err
    assert not (sent / "ran").exists()


def test_code_is_found_under_every_path_that_a_grid_may_write() -> None:
    for path in ("aggregation.make", "aggregation.name", "attackers.attack.name", "aggregation.1.make"):
        assert code_named({"product": {path: ["mine:x"]}}) == ["mine:x"]
    assert code_named({"product": {"aggregation.window": ["1:3"]}}) == []


def test_reading_imports_neither_flower_nor_the_bridge_to_it(plain: Path, tmp_path: Path) -> None:
    ruled(plain, tmp_path / "run", KRUM)
    script = (
        "import sys\nfrom fedlens.analysis.run_results import load_run\n"
        f"print(load_run({str(tmp_path / 'run')!r}).experiment.server)\n"
        "assert not {'flwr', 'fedlens.bridges.flower'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Flower's Krum"
